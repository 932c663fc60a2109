//! What a seed's world is like: its sizes, its faults and how often each thing happens. Each world leaves some things out, so that the
//! others come together more often.

use crate::adapter::{Setup, SinkSetup};
use fastrand::Rng;
use std::time::Duration;

/// Something that happens in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Write,
    Burst,
    Giant,
    NewFile,
    Rotate,
    RotateChain,
    Reopen,
    CopyTruncate,
    Rewrite,
    Delete,
    Recreate,
    MoveAway,
    MoveBack,
    LeavePattern,
    EnterPattern,
    HardLink,
    SymbolicLink,
    Compress,
    Forbid,
    Permit,
    ListingFails,
    ReadsFail,
    Overflow,
    SinkDown,
    SinkSilent,
    SinkWorks,
    SavesFail,
    WallJumps,
    Crash,
    Drain,
}

impl Act {
    /// Nothing can be lost by it, and nothing repeated.
    pub fn is_harmless(self) -> bool {
        use Act::{Burst, Forbid, Giant, HardLink, ListingFails, NewFile, Overflow, Permit, SavesFail};
        use Act::{SinkDown, SinkSilent, SinkWorks, WallJumps, Write};
        let faults = [Forbid, Permit, ListingFails, Overflow, SavesFail, WallJumps];
        let sinks = [SinkDown, SinkSilent, SinkWorks];
        [Write, Burst, Giant, NewFile, HardLink].contains(&self)
            || faults.contains(&self)
            || sinks.contains(&self)
    }
}

const ACTS: [(Act, u32); 30] = [
    (Act::Write, 40),
    (Act::Burst, 6),
    (Act::Giant, 0),
    (Act::NewFile, 3),
    (Act::Rotate, 5),
    (Act::RotateChain, 3),
    (Act::Reopen, 5),
    (Act::CopyTruncate, 3),
    (Act::Rewrite, 3),
    (Act::Delete, 2),
    (Act::Recreate, 2),
    (Act::MoveAway, 2),
    (Act::MoveBack, 3),
    (Act::LeavePattern, 2),
    (Act::EnterPattern, 3),
    (Act::HardLink, 1),
    (Act::SymbolicLink, 1),
    (Act::Compress, 2),
    (Act::Forbid, 2),
    (Act::Permit, 2),
    (Act::ListingFails, 2),
    (Act::ReadsFail, 1),
    (Act::Overflow, 2),
    (Act::SinkDown, 3),
    (Act::SinkSilent, 2),
    (Act::SinkWorks, 5),
    (Act::SavesFail, 1),
    (Act::WallJumps, 1),
    (Act::Crash, 3),
    (Act::Drain, 2),
];

/// One world's nature.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Profile {
    pub setup: Setup,
    /// How many things happen.
    pub length: usize,
    acts: Vec<(Act, u32)>,
    weight: u32,
    /// Of a hundred steps of the engine, so many are followed by something that happens in the world.
    pub interleaved: u32,
    /// The longest read.
    pub read_bytes: usize,
    /// Reads may return less than is there.
    pub short_reads: bool,
    /// The kernel tells of changes.
    pub watched: bool,
    pub reuse_inodes: bool,
    /// Names of rotated files match the pattern.
    pub rotated_match: bool,
    /// Every file begins with a heading of so many bytes.
    pub heading_bytes: usize,
    /// Of a hundred words, so many are refused by the sinks.
    pub poison: u32,
    /// Of a hundred lines, so many are written in pieces.
    pub pieces: u32,
    pub carriage_returns: bool,
    pub empty_lines: bool,
    pub word_bytes_max: usize,
    /// Batches of more bytes and several records are refused by the first sink.
    pub body_bytes_max: Option<usize>,
    /// Of a hundred answers of a sink, so many are lost after it took the batch.
    pub lost_answers: u32,
    /// Of a hundred batches, so many are taken in part.
    pub taken_in_part: u32,
    /// Of a hundred batches, so many lose records, and the sink does not say which.
    pub given_up: u32,
    /// The longest time that a sink takes for an answer.
    pub answer_ms_max: u64,
    /// Of a hundred crashes, so many tear the checkpoint.
    pub torn_checkpoints: u32,
}

impl Profile {
    pub fn new(rng: &mut Rng) -> Self {
        let one_of = |rng: &mut Rng, choices: &[u64]| choices[rng.usize(..choices.len())];
        let percent = |rng: &mut Rng, choices: [u32; 3]| choices[rng.usize(..3)];
        let giants = rng.u32(..200) == 0;
        let small = |rng: &mut Rng| SinkSetup {
            batch_bytes: 128 << rng.u32(..7),
            batch_age: Duration::from_millis(one_of(rng, &[0, 5, 50, 1000])),
            json: rng.u32(..10) == 0,
            in_flight: 1,
        };
        let sinks = 1 + rng.usize(..6) / 3;
        let mut setup = Setup {
            sources: 1 + rng.usize(..5) / 4,
            sinks: (0..sinks).map(|_| small(rng)).collect(),
            scan_interval: Duration::from_millis(one_of(rng, &[200, 1000, 5000])),
            start_at_end: rng.u32(..8) == 0,
            drain: Duration::from_secs(one_of(rng, &[1, 5, 30])),
            in_flight_bytes: 1 << one_of(rng, &[10, 26]),
        };
        let keep = percent(rng, [30, 60, 90]);
        let mut acts: Vec<(Act, u32)> = ACTS
            .into_iter()
            .filter(|(act, _)| *act == Act::Write || rng.u32(..100) < keep)
            .collect();
        if giants {
            acts.push((Act::Giant, 2));
        }
        let heading_bytes = match rng.u32(..10) {
            // Where nothing was read before, a beginning of 1024 bytes is all that is known of a file.
            0 if !setup.start_at_end => 1500,
            1 | 2 => 100,
            _ => 0,
        };
        let skips = setup.start_at_end;
        let empty_lines = rng.u32(..4) == 0;
        // Lines that cannot be told apart must arrive in order.
        let may_overtake = !empty_lines && heading_bytes == 0;
        for sink in &mut setup.sinks {
            if may_overtake && rng.bool() {
                sink.in_flight = 1 + rng.usize(..4);
            }
        }
        Self {
            setup,
            length: 10 + rng.usize(..40),
            weight: acts.iter().map(|(_, weight)| weight).sum(),
            acts,
            interleaved: percent(rng, [0, 2, 15]),
            read_bytes: if giants { 128 << 10 } else { 512 << rng.u32(..8) },
            short_reads: !giants && rng.bool(),
            watched: rng.u32(..4) > 0,
            // What is skipped at a first start is known by its inode alone until it can be opened.
            reuse_inodes: rng.bool() && !skips,
            rotated_match: rng.bool(),
            heading_bytes,
            poison: if rng.u32(..4) == 0 { 10 } else { 0 },
            pieces: percent(rng, [0, 10, 40]),
            carriage_returns: rng.u32(..4) == 0,
            empty_lines,
            word_bytes_max: 1 << (3 + rng.u32(..7)),
            body_bytes_max: (rng.u32(..6) == 0).then_some(200),
            lost_answers: if rng.u32(..8) == 0 { 10 } else { 0 },
            taken_in_part: if may_overtake && rng.u32(..4) == 0 { 30 } else { 0 },
            given_up: if rng.u32(..16) == 0 { 10 } else { 0 },
            answer_ms_max: one_of(rng, &[0, 20, 3000]),
            torn_checkpoints: if rng.u32(..8) == 0 { 30 } else { 0 },
        }
    }

    /// Whether a later record of a file may reach this sink before an earlier one.
    pub fn overtakes(&self, sink: usize) -> bool {
        self.setup.sinks[sink].in_flight > 1 || self.taken_in_part > 0
    }

    /// The bytes of a batch that may be settled in parts.
    pub fn split_bytes(&self) -> usize {
        let splits = self.poison > 0 || self.body_bytes_max.is_some() || self.taken_in_part > 0;
        let bytes = self.setup.sinks.iter().map(|sink| sink.batch_bytes).max();
        bytes.filter(|_| splits).unwrap_or_default()
    }

    /// What happens next.
    pub fn act(&self, rng: &mut Rng) -> Act {
        let mut at = rng.u32(..self.weight);
        for (act, weight) in &self.acts {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return *act,
            }
        }
        Act::Write
    }

    /// Whether the pattern takes a name: `a.log`, and where rotated files match, `a.log.1`.
    pub fn matches(&self, name: &str) -> bool {
        let rest = name.split_once(".log").map(|(_, rest)| rest);
        let is_number = |rest: &str| {
            rest.strip_prefix('.')
                .is_some_and(|number| number.parse::<u32>().is_ok())
        };
        rest.is_some_and(|rest| rest.is_empty() || self.rotated_match && is_number(rest))
    }
}
