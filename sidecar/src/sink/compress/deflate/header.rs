//! What stands before a block with codes of its own: the lengths of its codes, which have a code themselves (RFC 1951, 3.2.7).

use super::bits::Bits;
use super::huffman;
use super::symbols::{DISTANCES, LENGTHS, LITERALS};

/// Lengths 0 to 15, and three kinds of repeats.
const SYMBOLS: usize = 19;
const REPEAT: u8 = 16;
const ZEROS: u8 = 17;
const MANY_ZEROS: u8 = 18;
/// Extra bits of the repeats.
const EXTRA: [u32; 3] = [2, 3, 7];
/// The order in which the lengths of this code stand.
const ORDER: [usize; SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The longest code of a length.
const LENGTH_MAX: usize = 7;

/// The header of a block, and how much room it takes.
pub struct Header {
    literals: usize,
    distances: usize,
    /// Symbols with the value of their extra bits.
    items: Vec<(u8, u8)>,
    lengths: [u8; SYMBOLS],
    /// How many of [`ORDER`] are written.
    written: usize,
}

impl Header {
    /// The header for these lengths.
    pub fn new(literals: &[u8; LITERALS], distances: &[u8; DISTANCES]) -> Self {
        let literals = without_zeros(literals, LENGTHS);
        let distances = without_zeros(distances, 1);
        let items = items(&[literals, distances].concat());
        let mut counts = [0; SYMBOLS];
        for (symbol, _) in &items {
            counts[usize::from(*symbol)] += 1;
        }
        let lengths = huffman::lengths(&counts, LENGTH_MAX);
        let unused = ORDER.iter().rev().take_while(|symbol| lengths[**symbol] == 0);
        Self {
            literals: literals.len(),
            distances: distances.len(),
            written: SYMBOLS - unused.count(),
            items,
            lengths,
        }
    }

    /// Its size.
    pub fn bits(&self) -> usize {
        let item = |(symbol, _): &(u8, u8)| {
            usize::from(self.lengths[usize::from(*symbol)]) + extra(*symbol) as usize
        };
        5 + 5 + 4 + 3 * self.written + self.items.iter().map(item).sum::<usize>()
    }

    /// Writes it.
    pub fn write(&self, out: &mut Bits<'_>) {
        out.put_bits((self.literals - LENGTHS) as u32, 5);
        out.put_bits((self.distances - 1) as u32, 5);
        out.put_bits((self.written - 4) as u32, 4);
        out.flush();
        for symbol in &ORDER[..self.written] {
            out.put_bits(u32::from(self.lengths[*symbol]), 3);
            out.flush();
        }
        let codes = huffman::codes(&self.lengths);
        for (symbol, value) in &self.items {
            out.put_with(codes[usize::from(*symbol)], u32::from(*value), extra(*symbol));
            out.flush();
        }
    }
}

fn extra(symbol: u8) -> u32 {
    symbol
        .checked_sub(REPEAT)
        .map_or(0, |repeat| EXTRA[usize::from(repeat)])
}

/// The lengths up to the last one that is not zero, but at least so many.
fn without_zeros(lengths: &[u8], least: usize) -> &[u8] {
    let zeros = lengths.iter().rev().take_while(|length| **length == 0).count();
    &lengths[..least.max(lengths.len() - zeros)]
}

/// Lengths one by one, with what is repeated told shorter.
fn items(lengths: &[u8]) -> Vec<(u8, u8)> {
    let mut items = Vec::with_capacity(lengths.len());
    for equal in lengths.chunk_by(PartialEq::eq) {
        let length = equal[0];
        let mut left = equal.len();
        if length > 0 {
            items.push((length, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, took, least) = match (length, left) {
                (_, ..3) => (length, 1, 1),
                (0, 3..=10) => (ZEROS, left, 3),
                (0, _) => (MANY_ZEROS, left.min(138), 11),
                _ => (REPEAT, left.min(6), 3),
            };
            items.push((symbol, (took - least) as u8));
            left -= took;
        }
    }
    items
}
