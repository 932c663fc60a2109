//! What a sink took: no word more often than a crash explains, in the order of its file, each record one line.

use super::decode::{FILLING, HEADING, HEADING_FILLING, POISON, Piece, pieces};
use super::{Kind, Oracle, Violation, WordId};
use crate::adapter::{RECORD_BYTES, Tick};
use std::time::Duration;

/// A line that pauses for longer may be sent in two parts.
const PAUSE: Duration = Duration::from_millis(4500);

/// The words of a batch, and how many records it has.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    pub words: Vec<WordId>,
    pub records: u64,
}

impl Oracle {
    /// The engine sends records, which may be taken or not.
    pub fn send(&mut self, sink: usize, records: &[Vec<u8>]) -> Result<(), Violation> {
        if sink == 0 {
            for record in records {
                let words = self.words_of(record)?;
                self.order.extend(words);
            }
        }
        Ok(())
    }

    /// A sink takes records over.
    pub fn take(&mut self, sink: usize, records: &[Vec<u8>]) -> Result<Taken, Violation> {
        let mut taken = Taken {
            words: Vec::new(),
            records: records.len() as u64,
        };
        if self.sinks[sink].overtakes {
            self.sinks[sink].order.clear();
        }
        for record in records {
            let words = self.words_of(record)?;
            self.excuse_torn(record);
            if words.is_empty() && record.first().is_none_or(|first| *first == HEADING) {
                self.plain_taken[sink] += 1;
            }
            self.check_line(&words)?;
            for id in words {
                self.take_word(sink, id)?;
                taken.words.push(id);
            }
        }
        Ok(taken)
    }

    /// A sink took a batch and the engine does not know: it may send it again.
    pub fn answer_lost(&mut self, sink: usize, taken: &Taken) {
        for &id in &taken.words {
            self.sinks[sink].allowed[id] += 1;
        }
        self.sinks[sink].order.clear();
    }

    /// The engine knows that a sink has settled a batch.
    pub fn settle(&mut self, now: Tick, sink: usize, taken: &Taken) {
        self.sinks[sink].delivered += taken.records;
        for &id in &taken.words {
            self.settle_word(now, sink, id);
        }
    }

    /// The engine gives a record up: it must be one that the sink refuses.
    pub fn reject(&mut self, now: Tick, sink: usize, records: &[Vec<u8>]) -> Result<(), Violation> {
        let taken = self.take(sink, records)?;
        if !matches!(records, [record] if record.contains(&POISON)) {
            let what = format!("{taken:?} was rejected, of which the sink refuses nothing");
            return Err(Violation::new(Kind::Lost, what));
        }
        for &id in &taken.words {
            self.settle_word(now, sink, id);
        }
        Ok(())
    }

    /// The sink says that it lost these records for good.
    pub fn lose(&mut self, now: Tick, sink: usize, records: &[Vec<u8>]) -> Result<(), Violation> {
        for record in records {
            self.excuse_torn(record);
            for id in self.words_of(record)? {
                self.settle_word(now, sink, id);
            }
        }
        Ok(())
    }

    fn settle_word(&mut self, now: Tick, sink: usize, id: WordId) {
        if !std::mem::replace(&mut self.sinks[sink].settled[id], true)
            && self.sinks.iter().all(|sink| sink.settled[id])
        {
            self.words[id].settled_by_all = Some(now);
        }
        self.sinks[sink].settled_at.entry(id).or_insert(now);
    }

    fn take_word(&mut self, sink: usize, id: WordId) -> Result<(), Violation> {
        let word = &self.words[id];
        let book = &mut self.sinks[sink];
        book.seen[id] += 1;
        if book.seen[id] > book.allowed[id] {
            let what = format!(
                "word {id} of file {} reached sink {sink} {} times",
                word.node, book.seen[id]
            );
            return Err(Violation::new(Kind::Repeated, what));
        }
        match book.order.insert((word.node, word.epoch), word.end) {
            Some(before) if before >= word.end => {
                let what = format!(
                    "word {id} of file {} reached sink {sink} after a later one",
                    word.node
                );
                Err(Violation::new(Kind::Reordered, what))
            }
            _ => Ok(()),
        }
    }

    fn words_of(&self, record: &[u8]) -> Result<Vec<WordId>, Violation> {
        let torn = |why: &str| {
            let shown = String::from_utf8_lossy(&record[..record.len().min(100)]).into_owned();
            Err(Violation::new(Kind::Torn, format!("{why}: {shown:?}")))
        };
        if record.len() > RECORD_BYTES {
            return torn("a record is longer than the maximum");
        }
        let mut words = Vec::new();
        for (number, piece) in pieces(record).into_iter().enumerate() {
            match piece {
                Piece::Word(id) if id < self.words.len() => words.push(id),
                Piece::Torn(Some(id)) if id < self.words.len() => {
                    let word = &self.words[id];
                    if word.giant && record.len() == RECORD_BYTES {
                        words.push(id);
                    } else if self.books[word.node].epoch == word.epoch {
                        return torn("a word was torn although its file was not truncated");
                    }
                }
                Piece::Torn(None) if self.truncations > 0 => {}
                // The rest of a line whose beginning was sent when its file was truncated, found in a copy.
                Piece::Foreign if number == 0 && self.copies > 0 && is_rest(record) => {}
                Piece::Word(_) | Piece::Torn(_) | Piece::Foreign => return torn("nobody wrote this"),
            }
        }
        Ok(words)
    }

    /// A word that was torn by a truncation has no record of its own, even if a copy holds its other half.
    fn excuse_torn(&mut self, record: &[u8]) {
        let last = record
            .iter()
            .rposition(|byte| *byte == b'<')
            .unwrap_or(record.len());
        let torn = record[last..]
            .strip_prefix(b"<")
            .filter(|rest| !rest.contains(&b'>'));
        let Some(digits) = torn.and_then(|rest| rest.split(|byte| *byte == b'.').next()) else {
            return;
        };
        let digits = String::from_utf8_lossy(digits);
        let is_whole = record[last..].contains(&b'.');
        for (id, word) in self.words.iter_mut().enumerate() {
            let number = id.to_string();
            let may_be = number == digits || !is_whole && number.starts_with(&*digits);
            let is_gone = self.books[word.node].epoch != word.epoch;
            word.excused |= may_be && is_gone && !word.giant;
        }
    }

    /// The words of a record are one line, or as much of it as was there when it had to be sent.
    fn check_line(&self, words: &[WordId]) -> Result<(), Violation> {
        let torn = |what: String| Err(Violation::new(Kind::Torn, what));
        if let Some(&[first, second]) = words
            .windows(2)
            .find(|pair| self.words[pair[1]].before != Some(pair[0]))
        {
            return torn(format!(
                "words {first} and {second} are in one record and not in one line"
            ));
        }
        let Some((first, before)) = words
            .first()
            .and_then(|&first| Some((first, self.words[first].before?)))
        else {
            return Ok(());
        };
        let (begun, continued) = (self.words[before].written, self.words[first].written);
        let interrupted = self.interruptions.iter().any(|at| *at >= begun);
        let prompt = self.prompt && !self.books[self.words[first].node].unwatched;
        if !prompt || self.draining || interrupted || continued.saturating_sub(begun) >= PAUSE {
            return Ok(());
        }
        torn(format!(
            "the line of words {before} and {first} was sent in two records"
        ))
    }
}

/// Of a word, or of a heading, which is the same in all files: nobody can tell whose it was that was sent in two parts.
fn is_rest(record: &[u8]) -> bool {
    if record.iter().all(|byte| *byte == HEADING_FILLING) {
        return true;
    }
    let may_be = |byte: &&u8| byte.is_ascii_digit() || b".!".contains(byte) || FILLING.contains(byte);
    let rest = record.iter().take_while(may_be).count();
    record.get(rest).is_none_or(|end| *end == b'>')
}
