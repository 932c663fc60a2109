//! Finds what is repeated: one pass, one place to look at, greedy.
//!
//! The text lies in a window of 64 KiB, so that two bytes hold a position, and slides by half of it: a match may begin as far back as
//! the format allows.

use super::sequences::{RUN_MAX, Sequences};
use super::symbols::LENGTH_MAX;

/// How far back a match may begin.
const DISTANCE_MAX: usize = 1 << 15;
const WINDOW_BYTES: usize = 1 << 16;
/// Matches are followed, and literals copied, past the end of the text; what they find there does not count.
const SLACK: usize = 288;
/// No match begins so close to the end.
const TAIL: usize = 16;
/// A match is found by its first eight bytes. Shorter ones cost more time than they save room.
const WORD_BYTES: usize = 8;
const HASH_BITS: u32 = 13;
/// After so many misses the search takes longer steps: where identifiers stand, there is nothing to be found. What it steps over is
/// still found from behind.
const PATIENCE: usize = 4;

/// The window and where the last words in it were.
pub struct Finder {
    window: Box<[u8; WINDOW_BYTES + SLACK]>,
    places: Box<[u16; 1 << HASH_BITS]>,
    /// End of the text.
    end: usize,
    /// Where the search goes on.
    next: usize,
    /// Begin of what is not in a sequence yet.
    anchor: usize,
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            window: boxed(),
            places: boxed(),
            end: 0,
            // The places are zero: the first byte is one that was seen.
            next: 1,
            anchor: 0,
        }
    }
}

/// Zeros, without a copy on the stack.
pub fn boxed<T: Clone + Default, const N: usize>() -> Box<[T; N]> {
    let Ok(zeros) = vec![T::default(); N].into_boxed_slice().try_into() else {
        unreachable!("it has this length");
    };
    zeros
}

impl Finder {
    /// How much text can be given to it next.
    pub fn room(&self) -> usize {
        if self.end < WINDOW_BYTES {
            WINDOW_BYTES - self.end
        } else {
            DISTANCE_MAX
        }
    }

    /// The text at the end that is not in a sequence: shorter than a run and a word.
    pub fn open(&self) -> &[u8] {
        &self.window[self.anchor..self.end]
    }

    /// Adds the sequences of more text, which is at most as long as there is room.
    pub fn find(&mut self, text: &[u8], out: &mut Sequences) {
        if self.end == WINDOW_BYTES {
            self.slide();
        }
        let end = self.end + text.len();
        self.window[self.end..end].copy_from_slice(text);
        self.end = end;
        self.search(out);
        // Later text may not find them here any more.
        while self.next.min(end) - self.anchor >= RUN_MAX {
            out.push_run(&self.window[self.anchor..]);
            self.anchor += RUN_MAX;
        }
    }

    /// Forgets the older half of the window.
    fn slide(&mut self) {
        self.window.copy_within(DISTANCE_MAX..WINDOW_BYTES, 0);
        for place in self.places.iter_mut() {
            *place = place.saturating_sub(DISTANCE_MAX as u16);
        }
        self.end -= DISTANCE_MAX;
        self.next -= DISTANCE_MAX;
        self.anchor -= DISTANCE_MAX;
    }

    #[inline(never)]
    fn search(&mut self, out: &mut Sequences) {
        let Self {
            window, places, end, ..
        } = self;
        let (window, places) = (&**window, &mut **places);
        let limit = end.saturating_sub(TAIL);
        let (mut next, mut anchor) = (self.next, self.anchor);
        let mut steps = PATIENCE;
        while next < limit {
            let Some(place) = visit(window, places, next) else {
                next += steps / PATIENCE;
                steps += 1;
                continue;
            };
            steps = PATIENCE;
            let length = length(window, next, place);
            let before = before(window, next, place)
                .min(next - anchor)
                .min(LENGTH_MAX - length);
            let start = next - before;
            while start - anchor >= RUN_MAX {
                out.push_run(&window[anchor..]);
                anchor += RUN_MAX;
            }
            out.push(
                &window[anchor & (WINDOW_BYTES - 1)..],
                start - anchor,
                length + before,
                next - place,
            );
            next += length;
            // Three of four matches begin right where another one ends.
            while next < limit {
                places[hash(word(window, next - 2))] = (next - 2) as u16;
                let Some(place) = visit(window, places, next) else {
                    break;
                };
                let length = self::length(window, next, place);
                out.push_match(length, next - place);
                next += length;
            }
            anchor = next;
            next += 1;
        }
        // The last match may have gone on in what lies behind the text.
        if anchor > *end {
            out.shorten(anchor - *end);
            anchor = *end;
            next = *end;
        }
        (self.next, self.anchor) = (next, anchor);
    }
}

/// Notes the word at this place; gives the one before with the same hash if it has the same word.
#[inline(always)]
fn visit(
    window: &[u8; WINDOW_BYTES + SLACK],
    places: &mut [u16; 1 << HASH_BITS],
    at: usize,
) -> Option<usize> {
    let word = word(window, at);
    let slot = &mut places[hash(word)];
    let place = usize::from(std::mem::replace(slot, at as u16));
    let distance = at.wrapping_sub(place);
    (word == self::word(window, place) && distance.wrapping_sub(1) < DISTANCE_MAX).then_some(place)
}

/// Eight bytes of the window.
#[inline(always)]
fn word(window: &[u8; WINDOW_BYTES + SLACK], at: usize) -> u64 {
    u64::from_le_bytes(
        *window[at..]
            .first_chunk::<WORD_BYTES>()
            .expect("there is slack after the window"),
    )
}

/// Multiplicative, by 2^64 through the golden ratio: the highest bits depend on all bytes.
#[inline(always)]
fn hash(word: u64) -> usize {
    (word.wrapping_mul(0x9E37_79B1_85EB_CA87) >> (64 - HASH_BITS)) as usize
}

/// How many bytes at both places are the same, of which the first eight are.
#[inline(always)]
fn length(window: &[u8; WINDOW_BYTES + SLACK], at: usize, place: usize) -> usize {
    let mut length = WORD_BYTES;
    while length + WORD_BYTES < LENGTH_MAX {
        let difference = word(window, at + length) ^ word(window, place + length);
        if difference != 0 {
            return length + difference.trailing_zeros() as usize / 8;
        }
        length += WORD_BYTES;
    }
    let difference = word(window, at + length) ^ word(window, place + length);
    LENGTH_MAX.min(length + difference.trailing_zeros() as usize / 8)
}

/// How many bytes before both places are the same, of eight.
#[inline(always)]
fn before(window: &[u8; WINDOW_BYTES + SLACK], at: usize, place: usize) -> usize {
    if place < WORD_BYTES {
        return 0;
    }
    let difference = word(window, at - WORD_BYTES) ^ word(window, place - WORD_BYTES);
    (difference | 1).leading_zeros() as usize / 8
}
