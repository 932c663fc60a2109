//! Broken variations of the engine, as seen from outside: the oracle must complain about each.

use crate::adapter::{Setup, with_offsets};

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    None,
    /// One record vanishes.
    LosesALine,
    /// One record comes twice.
    RepeatsALine,
    /// Two records change places.
    SwapsLines,
    /// Two lines become one record.
    JoinsLines,
    /// One line becomes two records.
    CutsALine,
    /// Positions are saved that are only written.
    SavesTooEarly,
    /// Checkpoints are never written.
    NeverSaves,
    /// Batches are larger than was said.
    GathersTooMuch,
    /// Nobody looks how much all sinks together hold.
    ReadsTooMuch,
    /// After a while nothing is done any more.
    FallsAsleep,
    /// It wants to be asked all the time.
    NeverRests,
    /// A descriptor is closed while there is something to read.
    ClosesEarly,
}

impl Sabotage {
    /// Spoils what a sink takes.
    pub fn spoil(&mut self, records: &mut Vec<Vec<u8>>) {
        let words = |record: &Vec<u8>| record.split(|&byte| byte == b'<').count() - 1;
        let Some(index) = records.iter().rposition(|record| words(record) > 0) else {
            return;
        };
        match self {
            Self::LosesALine => drop(records.remove(index)),
            Self::RepeatsALine => records.push(records[index].clone()),
            Self::SwapsLines => records.reverse(),
            Self::JoinsLines if index > 0 && words(&records[index - 1]) > 0 => {
                let last = records.remove(index);
                records[index - 1].extend(last);
            }
            Self::CutsALine => {
                if let Some(at) = records[index].windows(2).position(|pair| pair == b"><") {
                    let rest = records[index].split_off(at + 1);
                    records.insert(index + 1, rest);
                }
            }
            _ => {}
        }
    }

    /// Spoils a checkpoint; none: it is not written.
    pub fn spoil_checkpoint(self, document: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Self::NeverSaves => None,
            Self::SavesTooEarly => Some(with_offsets(&document, |saved| saved.offset + 40)),
            _ => Some(document),
        }
    }

    /// Spoils the settings.
    pub fn spoil_setup(self, setup: &mut Setup) {
        match self {
            Self::GathersTooMuch => setup.sinks.iter_mut().for_each(|sink| sink.batch_bytes *= 64),
            Self::ReadsTooMuch => setup.in_flight_bytes = usize::MAX,
            _ => {}
        }
    }
}
