//! One block: counts its symbols, chooses codes, and writes it in the shortest of the three ways.

use super::bits::{Bits, Output};
use super::header::Header;
use super::huffman::{self, Code};
use super::sequences::{Sequence, Sequences};
use super::symbols::{
    DISTANCE_EXTRA, DISTANCES, END, LENGTH_SYMBOL, LENGTHS, LITERALS, length_base, length_extra,
};
use std::array::from_fn;

/// So that four codes of literals fit between two flushes, and a match as well: 14 + 5 + 15 + 13 bits.
const LITERAL_LENGTH_MAX: usize = 14;
const DISTANCE_LENGTH_MAX: usize = 15;

/// How many literals are written between two flushes.
const AT_ONCE: usize = 4;
/// Writes the block with these sequences, which stand for `text`.
pub fn write(text: &[u8], sequences: &Sequences, is_last: bool, out: &mut Output) {
    let (literals, distances) = counts(sequences);
    let dynamic = Lengths {
        literals: huffman::lengths(&literals, LITERAL_LENGTH_MAX),
        distances: huffman::lengths(&distances, DISTANCE_LENGTH_MAX),
    };
    let fixed = Lengths::fixed();
    let header = Header::new(&dynamic.literals, &dynamic.distances);
    let dynamic_bits = header.bits() + dynamic.bits(&literals, &distances);
    let fixed_bits = fixed.bits(&literals, &distances);
    let stored_bits = 8 * text.len() + 40 * text.len().div_ceil(usize::from(u16::MAX)).max(1);
    let last = u32::from(is_last);
    if stored_bits <= dynamic_bits.min(fixed_bits) {
        out.store(text, is_last);
    } else if fixed_bits <= dynamic_bits {
        out.append(3 + fixed_bits, |bits| {
            bits.put_bits(last | 1 << 1, 3);
            fixed.codes().write(sequences, bits);
        });
    } else {
        out.append(3 + dynamic_bits, |bits| {
            bits.put_bits(last | 2 << 1, 3);
            header.write(bits);
            dynamic.codes().write(sequences, bits);
        });
    }
}

/// How often each symbol occurs.
fn counts(sequences: &Sequences) -> ([u32; LITERALS], [u32; DISTANCES]) {
    // Four tables, because an addition would have to wait for the one before to the same place.
    let mut bytes = [[0_u32; 256]; 4];
    let (words, rest) = sequences.literals().as_chunks::<4>();
    for word in words {
        for (bytes, literal) in bytes.iter_mut().zip(word) {
            bytes[usize::from(*literal)] += 1;
        }
    }
    for literal in rest {
        bytes[0][usize::from(*literal)] += 1;
    }
    let mut literals = [0; LITERALS];
    for (byte, count) in literals[..END].iter_mut().enumerate() {
        *count = bytes.iter().map(|bytes| bytes[byte]).sum();
    }
    literals[END] = 1;
    for (symbol, count) in LENGTH_SYMBOL.iter().zip(sequences.lengths()) {
        literals[LENGTHS + usize::from(*symbol)] += count;
    }
    (literals, from_fn(|symbol| sequences.distances()[symbol]))
}

/// How long the codes of a block are.
struct Lengths {
    literals: [u8; LITERALS],
    distances: [u8; DISTANCES],
}

impl Lengths {
    /// Those that every decoder knows: RFC 1951, 3.2.6.
    fn fixed() -> Self {
        Self {
            literals: from_fn(|symbol| match symbol {
                144..256 => 9,
                256..280 => 7,
                _ => 8,
            }),
            distances: [5; DISTANCES],
        }
    }

    /// The size of a block with so many symbols, without its header.
    fn bits(&self, literals: &[u32; LITERALS], distances: &[u32; DISTANCES]) -> usize {
        let literals = literals
            .iter()
            .zip(&self.literals)
            .enumerate()
            .map(|(symbol, (count, length))| {
                let extra = symbol.checked_sub(LENGTHS).map_or(0, length_extra);
                *count as usize * (usize::from(*length) + extra as usize)
            });
        let distances = distances
            .iter()
            .zip(&self.distances)
            .enumerate()
            .map(|(symbol, (count, length))| {
                *count as usize * (usize::from(*length) + DISTANCE_EXTRA[symbol] as usize)
            });
        literals.sum::<usize>() + distances.sum::<usize>()
    }

    fn codes(&self) -> Codes {
        let literals = huffman::codes(&self.literals);
        let distances = huffman::codes(&self.distances);
        Codes {
            literals: from_fn(|byte| literals[byte]),
            lengths: from_fn(|length| {
                let symbol = usize::from(LENGTH_SYMBOL[length]);
                literals[LENGTHS + symbol].with(length as u32 - length_base(symbol), length_extra(symbol))
            }),
            distances: from_fn(|symbol| distances.get(symbol).copied().unwrap_or_default()),
            end: literals[END],
        }
    }
}

/// The codes of a block, ready to be written.
struct Codes {
    literals: [Code; 256],
    /// With their extra bits.
    lengths: [Code; 256],
    /// As many as five bits can name: the index needs no check.
    distances: [Code; 32],
    end: Code,
}

impl Codes {
    #[inline(never)]
    fn write(&self, sequences: &Sequences, out: &mut Bits<'_>) {
        let mut literals = sequences.literals_and_slack();
        let mut left = sequences.literals().len();
        out.in_registers(|out| {
            for sequence in sequences.as_slice() {
                let run = sequence.run();
                if run > 0 {
                    left -= run;
                    literals = self.write_literals(literals, run, out);
                    if !sequence.has_match() {
                        continue;
                    }
                }
                self.write_match(*sequence, out);
            }
            self.write_literals(literals, left, out);
            out.put(self.end);
            out.flush();
        });
    }

    /// Writes the first `run` literals and gives the others. There are some more than that.
    #[inline(always)]
    fn write_literals<'a>(&self, literals: &'a [u8], run: usize, out: &mut Bits<'_>) -> &'a [u8] {
        let (now, later) = literals.split_at(run);
        let (fours, last) = now.as_chunks::<AT_ONCE>();
        for four in fours {
            for literal in four {
                out.put(self.literals[usize::from(*literal)]);
            }
            out.flush();
        }
        for literal in last {
            out.put(self.literals[usize::from(*literal)]);
        }
        out.flush();
        later
    }

    #[inline(always)]
    fn write_match(&self, sequence: Sequence, out: &mut Bits<'_>) {
        out.put(self.lengths[sequence.length()]);
        let distance = self.distances[sequence.distance()];
        out.put_with(distance, sequence.extra(), DISTANCE_EXTRA[sequence.distance()]);
        out.flush();
    }
}
