//! One block: counts its symbols, chooses codes, and writes it in the shortest of the three ways.

use super::bits::{Bits, Output};
use super::header::Header;
use super::huffman::{self, Code};
use super::sequences::{Sequence, Sequences};
use super::symbols::{
    DISTANCES, END, LENGTH_SYMBOL, LENGTHS, LITERALS, distance_extra, distance_symbol, length_base,
    length_extra,
};
use std::array::from_fn;

/// So that four codes of literals fit between two flushes, and a match as well: 14 + 5 + 15 + 13 bits.
const LITERAL_LENGTH_MAX: usize = 14;
const DISTANCE_LENGTH_MAX: usize = 15;

/// How many literals are written between two flushes.
const AT_ONCE: usize = 4;
/// Which of them are wanted, by how many.
static WANTED: [[u32; AT_ONCE]; AT_ONCE + 1] = [
    [0, 0, 0, 0],
    [!0, 0, 0, 0],
    [!0, !0, 0, 0],
    [!0, !0, !0, 0],
    [!0, !0, !0, !0],
];

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
    let mut lengths = [0; 256];
    // Two more than there are: the index needs no check.
    let mut distances = [0; 32];
    for sequence in sequences.as_slice() {
        if sequence.has_match() {
            lengths[usize::from(sequence.length())] += 1;
            distances[distance_symbol(sequence.distance()).0 & 31] += 1;
        }
    }
    let mut literals = [0; LITERALS];
    for (byte, count) in literals[..END].iter_mut().enumerate() {
        *count = bytes.iter().map(|bytes| bytes[byte]).sum();
    }
    literals[END] = 1;
    for (symbol, count) in LENGTH_SYMBOL.iter().zip(lengths) {
        literals[LENGTHS + usize::from(*symbol)] += count;
    }
    (literals, from_fn(|symbol| distances[symbol]))
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
                *count as usize * (usize::from(*length) + distance_extra(symbol) as usize)
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
    /// Two more than there are: the index needs no check.
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
                left -= sequence.run();
                literals = self.write_literals(literals, sequence.run(), out);
                if sequence.has_match() {
                    self.write_match(*sequence, out);
                }
            }
            self.write_literals(literals, left, out);
            out.put(self.end);
            out.flush();
        });
    }

    /// Writes the first `run` literals and gives the others. There are some more than that.
    #[inline]
    fn write_literals<'a>(&self, mut literals: &'a [u8], mut run: usize, out: &mut Bits<'_>) -> &'a [u8] {
        loop {
            // Those that are too many write nothing: cheaper than a branch that nobody can foresee.
            let wanted = &WANTED[run.min(AT_ONCE)];
            let now = literals.first_chunk::<AT_ONCE>().expect("there is slack");
            for (literal, wanted) in now.iter().zip(wanted) {
                out.put(self.literals[usize::from(*literal)].masked(*wanted));
            }
            out.flush();
            if run <= AT_ONCE {
                return &literals[run..];
            }
            run -= AT_ONCE;
            literals = &literals[AT_ONCE..];
        }
    }

    #[inline]
    fn write_match(&self, sequence: Sequence, out: &mut Bits<'_>) {
        out.put(self.lengths[usize::from(sequence.length())]);
        let distance = sequence.distance();
        let (symbol, extra) = distance_symbol(distance);
        out.put_with(self.distances[symbol & 31], distance & ((1 << extra) - 1), extra);
        out.flush();
    }
}
