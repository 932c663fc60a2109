//! What a block says: literals and matches in turn, packed.

use super::finder::boxed;

/// Shortest and longest match of the format.
pub const LENGTH_MIN: usize = 3;
pub const LENGTH_MAX: usize = 258;
/// Literals of the one sequence without a match; all others have fewer.
pub const RUN_MAX: usize = 511;

/// Bounds the memory; enough that a block's codes cost little beside its content.
const SEQUENCES_MAX: usize = 1 << 14;
const LITERALS_MAX: usize = 96 << 10;
/// Literals are copied so many at a time, past the end of most runs.
const COPIED: usize = 16;
/// Each sequence but the last covers at least so much.
const TEXT_PER_SEQUENCE: usize = 8;

/// Some literals, then a match: nine bits for how many literals, eight for the length, fifteen for the distance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequence(u32);

impl Sequence {
    #[inline]
    fn new(run: usize, length: usize, distance: usize) -> Self {
        Self((run << 23 | (length - LENGTH_MIN) << 15 | (distance - 1)) as u32)
    }

    /// How many literals.
    #[inline]
    pub fn run(self) -> usize {
        (self.0 >> 23) as usize
    }

    /// Whether there is a match after them.
    #[inline]
    pub fn has_match(self) -> bool {
        self.run() != RUN_MAX
    }

    /// The length of the match, from zero.
    #[inline]
    pub fn length(self) -> u8 {
        (self.0 >> 15) as u8
    }

    /// The distance of the match, from zero.
    #[inline]
    pub fn distance(self) -> u32 {
        self.0 & 0x7fff
    }
}

/// The sequences of a block, and all its literals one after the other; those that remain stand at its end.
pub struct Sequences {
    packed: Box<[Sequence; SEQUENCES_MAX]>,
    count: usize,
    literals: Box<[u8; LITERALS_MAX]>,
    literal_count: usize,
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            packed: boxed(),
            count: 0,
            literals: boxed(),
            literal_count: 0,
        }
    }
}

impl Sequences {
    /// All of them.
    pub fn as_slice(&self) -> &[Sequence] {
        &self.packed[..self.count]
    }

    /// All literals.
    pub fn literals(&self) -> &[u8] {
        &self.literals[..self.literal_count]
    }

    /// The literals and what lies behind them, to be read but not to be used.
    pub fn literals_and_slack(&self) -> &[u8] {
        &self.literals[..]
    }

    /// Whether the sequences of so much text, and what remained of earlier text, fit in.
    pub fn have_room_for(&self, text: usize) -> bool {
        let text = text + 2 * RUN_MAX;
        self.literal_count + text + COPIED <= LITERALS_MAX
            && self.count + text / TEXT_PER_SEQUENCE < SEQUENCES_MAX
    }

    /// For the next block.
    pub fn clear(&mut self) {
        (self.count, self.literal_count) = (0, 0);
    }

    /// A match after `run` literals, with which `text` begins; there are fewer than [`RUN_MAX`].
    #[inline]
    pub fn push(&mut self, text: &[u8], run: usize, length: usize, distance: usize) {
        // Most runs are short, and copying sixteen bytes takes one instruction.
        if let Some(begin) = text.first_chunk::<COPIED>()
            && run <= COPIED
        {
            self.literals[self.literal_count..][..COPIED].copy_from_slice(begin);
        } else {
            self.literals[self.literal_count..][..run].copy_from_slice(&text[..run]);
        }
        self.literal_count += run;
        self.packed[self.count] = Sequence::new(run, length, distance);
        self.count += 1;
    }

    /// [`RUN_MAX`] literals, with which `text` begins.
    pub fn push_run(&mut self, text: &[u8]) {
        self.end(&text[..RUN_MAX]);
        self.packed[self.count] = Sequence((RUN_MAX << 23) as u32);
        self.count += 1;
    }

    /// The literals at the end of the block.
    pub fn end(&mut self, literals: &[u8]) {
        self.literals[self.literal_count..][..literals.len()].copy_from_slice(literals);
        self.literal_count += literals.len();
    }
}
