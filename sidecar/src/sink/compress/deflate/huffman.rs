//! Huffman codes of limited length, canonical as RFC 1951, 3.2.2 has them.

/// No code of the format is longer.
const LENGTH_MAX: usize = 15;

/// A code, with its first bit the lowest, and above its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Code(u32);

impl Code {
    const LENGTH_BITS: u32 = 8;

    /// The bits of a code, of which there are `length`.
    #[inline(always)]
    pub fn new(bits: u32, length: u32) -> Self {
        Self(bits << Self::LENGTH_BITS | length)
    }

    /// The bits.
    #[inline(always)]
    pub fn bits(self) -> u32 {
        self.0 >> Self::LENGTH_BITS
    }

    /// How many bits there are, in the lowest six bits; what stands above them does not count.
    #[inline(always)]
    pub fn length_and_more(self) -> u64 {
        u64::from(self.0)
    }

    /// The same with more bits after it.
    pub fn with(self, value: u32, extra: u32) -> Self {
        let length = self.0 & 0x3f;
        Self::new(self.bits() | value << length, length + extra)
    }
}

/// How long the code of each symbol is, where the rarest ones may have `limit` bits: no code for what does not occur, except that
/// there are two codes at least, because some decoders want that.
pub fn lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    let mut sorted = [(0, 0); N];
    let mut used = 0;
    for (symbol, &count) in counts.iter().enumerate() {
        if count > 0 {
            sorted[used] = (count, symbol as u16);
            used += 1;
        }
    }
    for (symbol, &count) in counts.iter().enumerate().take(2) {
        if used < 2 && count == 0 {
            sorted[used] = (1, symbol as u16);
            used += 1;
        }
    }
    let sorted = &mut sorted[..used];
    sorted.sort_unstable();
    let mut weights = [0; N];
    for (weight, (count, _)) in weights.iter_mut().zip(&*sorted) {
        *weight = *count;
    }
    let depths = depths(&mut weights[..used]);
    let mut of_length = [0; LENGTH_MAX + 1];
    for &depth in depths {
        of_length[(depth as usize).min(limit)] += 1;
    }
    shorten(&mut of_length, limit);
    let mut lengths = [0; N];
    let mut rarest_first = sorted.iter();
    for length in (1..=limit).rev() {
        for (_, symbol) in rarest_first.by_ref().take(of_length[length]) {
            lengths[usize::from(*symbol)] = length as u8;
        }
    }
    lengths
}

/// Turns weights, the smallest first, into the depths of their leaves, by A. Moffat and J. Katajainen, "In-place calculation of
/// minimum-redundancy codes" (1995). There are two weights at least.
fn depths(weights: &mut [u32]) -> &[u32] {
    let count = weights.len();
    // Joins the two lightest of leaves and nodes: what is joined gets the number of its node, a node its weight.
    let (mut leaf, mut root) = (0, 0);
    for node in 0..count - 1 {
        let mut lightest = |weights: &mut [u32]| {
            if leaf >= count || (root < node && weights[root] < weights[leaf]) {
                let weight = std::mem::replace(&mut weights[root], node as u32);
                root += 1;
                weight
            } else {
                leaf += 1;
                weights[leaf - 1]
            }
        };
        let weight = lightest(weights) + lightest(weights);
        weights[node] = weight;
    }
    // The depth of each node, from the root down.
    weights[count - 2] = 0;
    for node in (0..count - 2).rev() {
        weights[node] = weights[weights[node] as usize] + 1;
    }
    // Where a level has fewer nodes than places, the others are leaves.
    let (mut places, mut depth) = (1, 0);
    let (mut node, mut leaf) = (count - 1, count);
    while places > 0 {
        let mut nodes = 0;
        while node > 0 && weights[node - 1] == depth {
            nodes += 1;
            node -= 1;
        }
        for _ in nodes..places {
            leaf -= 1;
            weights[leaf] = depth;
        }
        places = 2 * nodes;
        depth += 1;
    }
    weights
}

/// Makes room for the codes that were too long and are counted at `limit` now: as long as there are too many, one of them goes beside
/// one that is shorter, which gets a bit more.
fn shorten(of_length: &mut [usize; LENGTH_MAX + 1], limit: usize) {
    let taken: usize = (1..=limit)
        .map(|length| of_length[length] << (limit - length))
        .sum();
    for _ in 1 << limit..taken {
        of_length[limit] -= 1;
        let shorter = (1..limit).rev().find(|&length| of_length[length] > 0);
        let shorter = shorter.expect("there are fewer symbols than codes of this length");
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
    }
}

/// The codes with these lengths.
pub fn codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut of_length = [0; LENGTH_MAX + 1];
    for &length in lengths {
        of_length[usize::from(length)] += 1;
    }
    of_length[0] = 0;
    let mut next = [0_u32; LENGTH_MAX + 1];
    for length in 1..=LENGTH_MAX {
        next[length] = (next[length - 1] + of_length[length - 1]) << 1;
    }
    lengths.map(|length| {
        if length == 0 {
            return Code::default();
        }
        let code = &mut next[usize::from(length)];
        let length = u32::from(length);
        let bits = code.reverse_bits() >> (u32::BITS - length);
        *code += 1;
        Code::new(bits, length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every symbol that occurs has a code, none is too long, and no bit is wasted: the codes fill the tree exactly.
    fn check<const N: usize>(counts: &[u32; N], limit: usize) {
        let lengths = lengths(counts, limit);
        let with_code =
            |(count, length): (&u32, &u8)| *count == 0 || (1..=limit).contains(&usize::from(*length));
        assert!(counts.iter().zip(&lengths).all(with_code), "{lengths:?}");
        let taken = |length: &u8| {
            if *length == 0 {
                0
            } else {
                1 << (limit - usize::from(*length))
            }
        };
        assert_eq!(
            lengths.iter().map(taken).sum::<usize>(),
            1 << limit,
            "{lengths:?}"
        );
    }

    proptest! {
        #[test]
        fn codes_fill_the_tree(counts in prop::array::uniform32(prop_oneof![Just(0), 1..10_u32, any::<u16>().prop_map(u32::from)])) {
            for limit in [5, 7, 15] {
                check(&counts, limit);
            }
        }
    }

    #[test]
    fn codes_that_would_be_too_long_are_shortened() {
        // Each as often as the two before: a tree that is a single branch.
        let mut counts = [1_u32; 30];
        for symbol in 2..counts.len() {
            counts[symbol] = counts[symbol - 1] + counts[symbol - 2];
        }
        assert_eq!(lengths(&counts, LENGTH_MAX).iter().max(), Some(&15));
        for limit in [5, 7, 14, 15] {
            check(&counts, limit);
        }
    }

    #[test]
    fn rare_symbols_have_long_codes() {
        assert_eq!(lengths(&[1, 1, 2, 4, 0], 15), [3, 3, 2, 1, 0]);
        assert_eq!(lengths(&[1, 1, 2, 4, 0], 2), [2, 2, 2, 2, 0]);
    }

    #[test]
    fn there_are_two_codes_at_least() {
        assert_eq!(lengths(&[0, 0, 0], 15), [1, 1, 0]);
        assert_eq!(lengths(&[7, 0, 0], 15), [1, 1, 0]);
        assert_eq!(lengths(&[0, 0, 7], 15), [1, 0, 1]);
    }

    #[test]
    fn codes_are_those_of_the_example_in_the_format() {
        // RFC 1951, 3.2.2: A to H. Bits are reversed here.
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let expected = ["010", "011", "100", "101", "110", "00", "1110", "1111"].map(|text| {
            let bits: String = text.chars().rev().collect();
            Code::new(u32::from_str_radix(&bits, 2).unwrap(), text.len() as u32)
        });
        assert_eq!(codes, expected);
    }
}
