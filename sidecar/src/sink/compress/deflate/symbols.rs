//! The alphabets of RFC 1951, 3.2.5: which symbol stands for a length or a distance, and how many extra bits follow it.
//!
//! Lengths count from zero here, which means three bytes; distances from zero, which means one.

/// Literals, the end of a block, lengths, and two that never occur but have a place in the fixed codes.
pub const LITERALS: usize = 288;
/// The end of a block.
pub const END: usize = 256;
/// Symbol of the first length.
pub const LENGTHS: usize = 257;
pub const DISTANCES: usize = 30;

const LENGTH_SYMBOLS: usize = 29;

/// Shortest and longest match.
pub const LENGTH_MIN: usize = 3;
pub const LENGTH_MAX: usize = 258;

/// The symbol of each length, less [`LENGTHS`].
pub static LENGTH_SYMBOL: [u8; 256] = length_symbols();

/// Extra bits after the symbol of a length, less [`LENGTHS`].
pub const fn length_extra(symbol: usize) -> u32 {
    // Groups of four symbols, each with one bit more; the last one is for the longest match alone.
    if symbol < 8 || symbol + 1 == LENGTH_SYMBOLS {
        0
    } else {
        symbol as u32 / 4 - 1
    }
}

/// The first length of a symbol, less [`LENGTHS`].
pub const fn length_base(symbol: usize) -> u32 {
    match symbol {
        0..8 => symbol as u32,
        _ if symbol + 1 == LENGTH_SYMBOLS => 255,
        _ => (4 + symbol as u32 % 4) << length_extra(symbol),
    }
}

const fn length_symbols() -> [u8; 256] {
    let mut symbols = [0; 256];
    let mut symbol = 0;
    while symbol < LENGTH_SYMBOLS {
        let mut length = length_base(symbol) as usize;
        let end = length + (1 << length_extra(symbol));
        while length < end && length < symbols.len() {
            symbols[length] = symbol as u8;
            length += 1;
        }
        symbol += 1;
    }
    symbols
}

/// The symbol of a distance, and how many of the distance's lowest bits follow it.
#[inline(always)]
pub fn distance_symbol(distance: u32) -> (usize, u32) {
    // Groups of two symbols, each with one bit more: the highest bit chooses the group, the next one the symbol.
    let extra = 30 - (distance | 2).leading_zeros();
    let symbol = 2 * extra + (distance >> extra);
    (symbol as usize, extra)
}

/// Extra bits after the symbol of a distance, for all that five bits can name.
pub static DISTANCE_EXTRA: [u32; 32] = distance_extras();

const fn distance_extras() -> [u32; 32] {
    let mut extras = [0; 32];
    let mut symbol = 4;
    while symbol < DISTANCES {
        extras[symbol] = symbol as u32 / 2 - 1;
        symbol += 1;
    }
    extras
}
