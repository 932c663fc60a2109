//! Knows every word that was written, when its bytes stopped being readable, and what became of it; complains where the engine
//! breaks a promise.
//!
//! A word is *owed* while its bytes can be read: by a matching name, by a descriptor that the engine holds, or by a
//! checkpoint that knows the file. Bytes that are gone are owed only if the engine had read them and did not crash since.

pub mod checkpoint;
pub mod decode;
pub mod delivery;

use crate::adapter::{Setup, Tick};
use crate::filesystem::Node;
use std::collections::{BTreeMap, BTreeSet};

/// Number of a word in the world.
pub type WordId = usize;

/// Which promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A word was readable and never arrived.
    Lost,
    /// A word arrived again, and no crash explains it.
    Repeated,
    /// A word arrived after one that follows it in its file.
    Reordered,
    /// A record is not a line.
    Torn,
    /// A checkpoint calls settled what is not.
    Ahead,
    /// A checkpoint is too old, so that a crash repeats too much.
    Behind,
    /// More is held or sent at once than may be.
    Unbounded,
    /// Nothing happens although something should, or too late.
    Stuck,
    /// Something happens again and again although nothing changes.
    Busy,
    /// A descriptor was closed before everything was read.
    ClosedEarly,
    /// What the engine says of itself is not so.
    Misreported,
    /// The engine's code gave up.
    Panicked,
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Violation {
    pub kind: Kind,
    pub what: String,
}

impl Violation {
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
        }
    }
}

/// Settled by a sink, and what else it may do.
#[derive(Debug)]
struct Word {
    /// Where it was written first, and behind it there.
    node: Node,
    epoch: u32,
    end: u64,
    bytes: usize,
    written: Tick,
    /// The word before it in its line.
    before: Option<WordId>,
    /// Longer than a record may be.
    giant: bool,
    /// Nobody can ask for it any more.
    excused: bool,
    /// Its bytes are gone, but the engine has them in memory.
    in_memory_only: bool,
    settled_by_all: Option<Tick>,
}

/// What a file holds now.
#[derive(Debug, Default)]
struct Book {
    /// How often it was truncated.
    epoch: u32,
    /// Whole words and where they end; copies hold words of other files.
    words: Vec<(WordId, u64)>,
    /// The last word of a line that has not ended.
    open_line: Option<WordId>,
    line_bytes: usize,
    unwatched: bool,
}

/// What a sink has taken.
#[derive(Debug, Default)]
struct SinkBook {
    /// Batches overtake each other, or are taken in part: order is kept within each alone.
    overtakes: bool,
    seen: Vec<u32>,
    allowed: Vec<u32>,
    settled: Vec<bool>,
    /// When words were settled in this run.
    settled_at: BTreeMap<WordId, Tick>,
    /// How far this run has come in each file.
    order: BTreeMap<(Node, u32), u64>,
    /// Records of which the engine was told in this run that they are delivered.
    delivered: u64,
}

#[derive(Debug)]
pub struct Oracle {
    words: Vec<Word>,
    books: Vec<Book>,
    sinks: Vec<SinkBook>,
    /// When lines without an end may have been sent: at starts and ends.
    interruptions: Vec<Tick>,
    draining: bool,
    /// Changes are told at once, so lines are cut only after a long pause.
    prompt: bool,
    truncations: u32,
    copies: u32,
    line_bytes_max: usize,
    /// The order in which the words were sent to the first sink in this run.
    order: Vec<WordId>,
    /// Words read in this run, and those that its checkpoint covered.
    read: BTreeSet<WordId>,
    covered: BTreeSet<WordId>,
    /// Lines without words, by sink, and as many as were written.
    plain_taken: Vec<usize>,
    plain_written: usize,
}

impl Oracle {
    pub fn new(overtakes: &[bool], prompt: bool) -> Self {
        let book = |&overtakes: &bool| SinkBook {
            overtakes,
            ..SinkBook::default()
        };
        Self {
            words: Vec::new(),
            books: Vec::new(),
            sinks: overtakes.iter().map(book).collect(),
            interruptions: Vec::new(),
            draining: false,
            prompt,
            truncations: 0,
            copies: 0,
            line_bytes_max: 0,
            order: Vec::new(),
            read: BTreeSet::new(),
            covered: BTreeSet::new(),
            plain_taken: vec![0; overtakes.len()],
            plain_written: 0,
        }
    }

    pub fn next_word(&self) -> WordId {
        self.words.len()
    }

    /// Notes a word that ends at `end`; it continues the file's open line.
    pub fn wrote_word(&mut self, now: Tick, node: Node, end: u64, bytes: usize) {
        let giant = bytes > crate::adapter::RECORD_BYTES;
        let id = self.words.len();
        let book = self.book(node);
        book.line_bytes += bytes;
        let (epoch, before, line_bytes) = (book.epoch, book.open_line.replace(id), book.line_bytes);
        book.words.push((id, end));
        self.line_bytes_max = self.line_bytes_max.max(line_bytes);
        self.words.push(Word {
            node,
            epoch,
            end,
            bytes,
            written: now,
            before,
            giant,
            excused: false,
            in_memory_only: false,
            settled_by_all: None,
        });
        for sink in &mut self.sinks {
            sink.seen.push(0);
            sink.allowed.push(1);
            sink.settled.push(false);
        }
    }

    /// Notes an end of line; `plain_bytes` is the length of the line if it holds no word.
    pub fn ended_line(&mut self, node: Node, plain_bytes: Option<usize>) {
        let book = self.book(node);
        if book.open_line.take().is_none() {
            self.plain_written += 1;
        }
        self.book(node).line_bytes = 0;
        self.line_bytes_max = self.line_bytes_max.max(plain_bytes.unwrap_or_default());
    }

    pub fn has_open_line(&self, node: Node) -> bool {
        self.books.get(node).is_some_and(|book| book.open_line.is_some())
    }

    /// How often a file was truncated.
    pub fn epoch(&self, node: Node) -> u32 {
        self.books.get(node).map_or(0, |book| book.epoch)
    }

    /// The contents are gone; the engine has read the first `read` bytes of them.
    pub fn truncated(&mut self, node: Node, read: u64) {
        self.truncations += 1;
        let book = self.book(node);
        book.epoch += 1;
        book.open_line = None;
        book.line_bytes = 0;
        for (id, end) in std::mem::take(&mut book.words) {
            self.is_gone(id, end <= read);
        }
    }

    /// A place that held a word does not any more; the engine has read it there or not.
    fn is_gone(&mut self, id: WordId, was_read: bool) {
        let has_copy = self.places(id).next().is_some();
        let word = &mut self.words[id];
        word.in_memory_only |= was_read;
        word.excused |= !word.in_memory_only && !has_copy;
    }

    /// The contents of a file were copied to another, as far as `bytes`; the copy ends there.
    pub fn copied(&mut self, now: Tick, from: Node, to: Node, bytes: u64) {
        self.interruptions.push(now);
        self.copies += 1;
        let words = self.books.get(from).into_iter().flat_map(|book| &book.words);
        let words = words.copied().take_while(|(_, end)| *end <= bytes).collect();
        self.book(to).words = words;
    }

    /// The files that hold a word, and where it ends there.
    fn places(&self, id: WordId) -> impl Iterator<Item = (Node, u64)> + '_ {
        let books = self.books.iter().enumerate();
        books.filter_map(move |(node, book)| {
            let index = book.words.binary_search_by_key(&id, |(id, _)| *id).ok()?;
            Some((node, book.words[index].1))
        })
    }

    /// What is in the file now was there before the first start, and nobody asked for it.
    pub fn skipped(&mut self, now: Tick, node: Node) {
        self.interruptions.push(now);
        for (id, _) in self.book(node).words.clone() {
            self.words[id].excused = true;
        }
    }

    /// The engine has read on from one place to another in the current contents.
    pub fn read(&mut self, node: Node, from: u64, to: u64) {
        let read = self
            .books
            .get(node)
            .into_iter()
            .flat_map(|book| book.words.iter().rev());
        let read = read
            .skip_while(|(_, end)| *end > to)
            .take_while(|(_, end)| *end > from);
        self.read.extend(read.map(|(id, _)| *id));
    }

    /// Checks what the engine must hold at least: what it read and no sink, or not all of them, has settled. What is read again, of a
    /// copy or to recognise a file, is not held twice.
    ///
    /// More is read only while a lane has less than a batch besides those that are on their way, and all lanes together less than
    /// their limit. The last piece that was read then comes on top, and where lines are open, one of each file that was open: it lies
    /// in a framer, or was sent without looking at the room because it waited for too long or its file was truncated, after which
    /// nothing more of that file is read before there is room. A line that is longer than a batch is a batch of its own.
    pub fn check_held(&self, setup: &Setup, open_files_max: usize) -> Result<(), Violation> {
        /// The engine looks at its room after so many bytes.
        const PIECE_BYTES: usize = 4 << 10;
        for (number, (book, sink)) in self.sinks.iter().zip(&setup.sinks).enumerate() {
            let is_held = |id: &&WordId| !book.settled_at.contains_key(*id) && !self.covered.contains(*id);
            let held: usize = self
                .read
                .iter()
                .filter(is_held)
                .map(|id| self.words[*id].bytes)
                .sum();
            let on_their_way = sink.in_flight * sink.batch_bytes.max(self.line_bytes_max);
            let room = (on_their_way + sink.batch_bytes).min(setup.in_flight_bytes);
            let bound = room + PIECE_BYTES + self.line_bytes_max * open_files_max;
            if held > bound {
                let what = format!("at least {held} bytes are held for sink {number}, {bound} are the most");
                return Err(Violation::new(Kind::Unbounded, what));
            }
        }
        Ok(())
    }

    /// The engine is gone, with its descriptors and its memory.
    pub fn ended(&mut self, now: Tick) {
        self.interruptions.push(now);
        self.draining = false;
        for word in &mut self.words {
            word.excused |= word.in_memory_only && word.settled_by_all.is_none();
        }
    }

    /// A file without a name in its directory is written to, which no watch tells.
    pub fn unwatched(&mut self, node: Node) {
        self.book(node).unwatched = true;
    }

    /// A drain begins: from now on lines are sent without waiting for their ends.
    pub fn drains(&mut self) {
        self.draining = true;
    }

    /// The last descriptor of a file without a name is given up: it must have been read to its end at `looked_at`.
    pub fn closed(&mut self, node: Node, looked_at: Tick) -> Result<(), Violation> {
        let unread = self.books.get(node).into_iter().flat_map(|book| &book.words);
        let unread = unread.map(|(id, _)| *id).find(|&id| {
            let word = &self.words[id];
            let is_due = !word.excused && word.settled_by_all.is_none() && word.written < looked_at;
            is_due && self.places(id).all(|(place, _)| place == node)
        });
        match unread {
            Some(id) => {
                let what = format!(
                    "file {node} was closed before word {id}, written at {:?}, was settled",
                    self.words[id].written
                );
                Err(Violation::new(Kind::ClosedEarly, what))
            }
            None => Ok(()),
        }
    }

    /// How many words every sink has settled.
    pub fn settled(&self) -> usize {
        let words = self.words.iter();
        words.filter(|word| word.settled_by_all.is_some()).count()
    }

    /// The words that can be read in some file.
    pub fn readable(&self, readable: impl Fn(Node) -> bool) -> BTreeSet<WordId> {
        let books = self.books.iter().enumerate();
        let books = books.filter(|(node, _)| readable(*node));
        let words = books.flat_map(|(_, book)| &book.words);
        words.map(|(id, _)| *id).collect()
    }

    /// The first word written before `until` that is owed and did not arrive.
    pub fn missing(&self, until: Tick, readable: impl Fn(Node) -> bool) -> Option<Violation> {
        self.missing_of(|_| true, until, readable)
    }

    /// The same among some words.
    pub fn missing_of(
        &self,
        is_asked: impl Fn(WordId) -> bool,
        until: Tick,
        readable: impl Fn(Node) -> bool,
    ) -> Option<Violation> {
        let owed = |id: WordId| {
            let word = &self.words[id];
            let is_there = || self.places(id).any(|(node, _)| readable(node));
            is_asked(id) && !word.excused && word.written <= until && (word.in_memory_only || is_there())
        };
        for (number, sink) in self.sinks.iter().enumerate() {
            let missing = (0..self.words.len()).find(|&id| !sink.settled[id] && owed(id));
            if let Some(id) = missing {
                let Word {
                    node,
                    epoch,
                    end,
                    written,
                    ..
                } = &self.words[id];
                let what = format!(
                    "word {id} never reached sink {number}: file {node}, contents {epoch}, before byte {end}, written at {written:?}"
                );
                return Some(Violation::new(Kind::Lost, what));
            }
        }
        None
    }

    /// Lines without words cannot be told apart; in a world where nothing is lost or repeated they are counted.
    pub fn check_plain_lines(&self) -> Result<(), Violation> {
        match self
            .plain_taken
            .iter()
            .find(|taken| **taken != self.plain_written)
        {
            Some(taken) => {
                let what = format!("{taken} lines without words of {} arrived", self.plain_written);
                Err(Violation::new(Kind::Lost, what))
            }
            None => Ok(()),
        }
    }

    /// Records of which the engine was told in this run that this sink took them.
    pub fn delivered(&self, sink: usize) -> u64 {
        self.sinks[sink].delivered
    }

    fn book(&mut self, node: Node) -> &mut Book {
        if self.books.len() <= node {
            self.books.resize_with(node + 1, Book::default);
        }
        &mut self.books[node]
    }
}
