//! What a block says: literals and matches in turn, packed and counted.

use super::finder::boxed;
use super::symbols::{LENGTH_MIN, distance_symbol};

/// Literals of the one sequence without a match; all others have fewer.
pub const RUN_MAX: usize = 63;

/// Bounds the memory; enough that a block's codes cost little beside its content.
const SEQUENCES_MAX: usize = 1 << 14;
const LITERALS_MAX: usize = 1 << 16;
/// Literals are copied so many at a time, past the end of most runs.
const COPIED: usize = 16;
/// Each sequence covers at least so much.
const TEXT_PER_SEQUENCE: usize = 8;

/// Some literals, then a match: six bits for how many literals, eight for the length, five for the symbol of the distance and thirteen
/// for the bits after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sequence(u32);

impl Sequence {
    /// How many literals.
    #[inline(always)]
    pub fn run(self) -> usize {
        (self.0 >> 26) as usize
    }

    /// Whether there is a match after them.
    #[inline(always)]
    pub fn has_match(self) -> bool {
        self.run() != RUN_MAX
    }

    /// The length of the match, from zero.
    #[inline(always)]
    pub fn length(self) -> usize {
        (self.0 >> 18) as usize & 0xff
    }

    /// The symbol of its distance.
    #[inline(always)]
    pub fn distance(self) -> usize {
        (self.0 >> 13) as usize & 0x1f
    }

    /// The bits after that symbol.
    #[inline(always)]
    pub fn extra(self) -> u32 {
        self.0 & 0x1fff
    }
}

/// The sequences of a block, and all its literals one after the other; those that remain stand at its end.
pub struct Sequences {
    packed: Box<[Sequence; SEQUENCES_MAX]>,
    count: usize,
    literals: Box<[u8; LITERALS_MAX + COPIED]>,
    literal_count: usize,
    /// How often each length occurs, from zero.
    lengths: [u32; 256],
    /// How often each symbol of a distance occurs, with room for those that the five bits can name.
    distances: [u32; 32],
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            packed: boxed(),
            count: 0,
            literals: boxed(),
            literal_count: 0,
            lengths: [0; 256],
            distances: [0; 32],
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

    /// How often each length occurs, from zero.
    pub fn lengths(&self) -> &[u32; 256] {
        &self.lengths
    }

    /// How often each symbol of a distance occurs.
    pub fn distances(&self) -> &[u32; 32] {
        &self.distances
    }

    /// Whether the sequences of so much text fit in.
    pub fn have_room_for(&self, text: usize) -> bool {
        self.literal_count + text <= LITERALS_MAX && self.count + text / TEXT_PER_SEQUENCE < SEQUENCES_MAX
    }

    /// For the next block.
    pub fn clear(&mut self) {
        (self.count, self.literal_count) = (0, 0);
        (self.lengths, self.distances) = ([0; 256], [0; 32]);
    }

    /// A match after `run` literals, with which `text` begins; there are fewer than [`RUN_MAX`].
    #[inline(always)]
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
        self.push_packed(run, length, distance);
    }

    /// A match right after the one before.
    #[inline(always)]
    pub fn push_match(&mut self, length: usize, distance: usize) {
        self.push_packed(0, length, distance);
    }

    #[inline(always)]
    fn push_packed(&mut self, run: usize, length: usize, distance: usize) {
        let length = length - LENGTH_MIN;
        let distance = distance as u32 - 1;
        let (symbol, extra) = distance_symbol(distance);
        let extra = distance & ((1 << extra) - 1);
        self.lengths[length & 0xff] += 1;
        self.distances[symbol & 0x1f] += 1;
        self.packed[self.count] = Sequence((run << 26 | length << 18 | symbol << 13) as u32 | extra);
        self.count += 1;
    }

    /// Takes so much from the last match.
    pub fn shorten(&mut self, by: usize) {
        let last = &mut self.packed[self.count - 1];
        self.lengths[last.length()] -= 1;
        last.0 -= (by << 18) as u32;
        self.lengths[last.length()] += 1;
    }

    /// [`RUN_MAX`] literals, with which `text` begins.
    pub fn push_run(&mut self, text: &[u8]) {
        self.end(&text[..RUN_MAX]);
        self.packed[self.count] = Sequence((RUN_MAX << 26) as u32);
        self.count += 1;
    }

    /// The literals at the end of the block.
    pub fn end(&mut self, literals: &[u8]) {
        self.literals[self.literal_count..][..literals.len()].copy_from_slice(literals);
        self.literal_count += literals.len();
    }
}
