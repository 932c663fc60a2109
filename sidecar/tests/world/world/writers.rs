//! Applications that write logs: whole lines and pieces of lines; and some go on in a file that was renamed long ago.

use super::World;
use crate::adapter::RECORD_BYTES;
use crate::filesystem::Node;
use crate::oracle::decode::{HEADING, HEADING_FILLING, word};

/// An application's open log.
#[derive(Debug)]
pub struct Writer {
    pub directory: usize,
    pub name: String,
    pub node: Node,
}

impl World {
    /// Opens a log by name, making it if it is missing.
    pub(super) fn open_log(&mut self, directory: usize, name: &str) -> Node {
        let node = self.fs.find(directory, name).unwrap_or_else(|| {
            let node = self.fs.create(directory, name);
            self.renamed(directory);
            node
        });
        self.fs.hold(node);
        node
    }

    /// A writer closes what it has and opens its log anew.
    pub(super) fn reopen(&mut self, index: usize) {
        let Writer { directory, name, .. } = &self.writers[index];
        let (directory, name) = (*directory, name.clone());
        let node = self.open_log(directory, &name);
        let old = std::mem::replace(&mut self.writers[index].node, node);
        self.fs.let_go(old);
    }

    /// Writes some lines at once.
    pub(super) fn write(&mut self, node: Node, lines: usize) {
        let mut text = Vec::new();
        for _ in 0..lines {
            self.add_line(node, &mut text);
        }
        self.append(node, &text);
    }

    /// Writes a line of about the maximum.
    pub(super) fn write_giant(&mut self, node: Node) {
        let mut text = Vec::new();
        if self.oracle.has_open_line(node) {
            self.end_line(node, &mut text);
        }
        let more = [0, 1, 2, 100_000][self.rng.usize(..4)];
        self.add_word(node, &mut text, RECORD_BYTES - 1 + more, false);
        self.end_line(node, &mut text);
        self.append(node, &text);
    }

    fn add_line(&mut self, node: Node, text: &mut Vec<u8>) {
        if self.fs.file(node).bytes.is_empty() && text.is_empty() && self.profile.heading_bytes > 0 {
            text.push(HEADING);
            text.resize(self.profile.heading_bytes, HEADING_FILLING);
            self.oracle.ended_line(node, Some(text.len()));
            text.push(b'\n');
        }
        if self.profile.empty_lines && self.rng.u32(..5) == 0 {
            return self.end_line(node, text);
        }
        let in_pieces = self.rng.u32(..100) < self.profile.pieces;
        for _ in 0..self.rng.u32(1..4) {
            let bytes = self.rng.usize(..self.profile.word_bytes_max);
            let poison = self.rng.u32(..100) < self.profile.poison;
            self.add_word(node, text, bytes, poison);
        }
        if !in_pieces {
            self.end_line(node, text);
        }
    }

    fn add_word(&mut self, node: Node, text: &mut Vec<u8>, bytes: usize, poison: bool) {
        let word = word(self.oracle.next_word(), bytes, poison);
        text.extend_from_slice(&word);
        let end = (self.fs.file(node).bytes.len() + text.len()) as u64;
        self.oracle.wrote_word(self.now, node, end, word.len());
    }

    fn end_line(&mut self, node: Node, text: &mut Vec<u8>) {
        if self.profile.carriage_returns {
            text.push(b'\r');
        }
        text.push(b'\n');
        self.oracle.ended_line(node, None);
    }

    fn append(&mut self, node: Node, text: &[u8]) {
        self.fs.append(node, text, self.wall_ns);
        self.touch(node);
    }
}
