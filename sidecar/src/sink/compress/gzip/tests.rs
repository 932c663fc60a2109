//! What is compressed is what comes out again, for whatever deflate may stumble over.

use super::super::gunzip;
use super::gzip;
use proptest::collection::vec;
use proptest::prelude::*;

/// Compresses, decompresses and compares; gives the size.
fn check(body: &[u8]) -> usize {
    let compressed = gzip(body);
    // One more than there is: what is too long would be seen.
    let text = gunzip(&compressed, body.len() + 1);
    assert!(text == body, "{} bytes came out, not {}", text.len(), body.len());
    compressed.len()
}

/// Bytes without a pattern, the same for each seed.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(bytes).collect()
}

/// A line of a log, most of which the line before has too.
fn line() -> impl Strategy<Value = String> {
    let level = prop_oneof![Just("info"), Just("warn"), Just("error")];
    let word = prop_oneof![
        Just("cart"),
        Just("order"),
        Just("payment accepted"),
        Just("session")
    ];
    let parts = (any::<u32>(), level, any::<u64>(), 100..600_u16, vec(word, 0..6));
    parts.prop_map(|(id, level, trace, status, words)| {
        format!(
            "level={level} msg=\"request served\" id={id:09} trace={trace:016x} status={status} note={}\n",
            words.join(" ")
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Lines of logs, over several windows and blocks.
    #[test]
    fn lines_come_out_again(lines in vec(line(), 0..400), times in 1..8_usize) {
        check(lines.concat().repeat(times).as_bytes());
    }

    /// Any bytes, with repeats of any length at any distance.
    #[test]
    fn repeats_come_out_again(pieces in vec((vec(any::<u8>(), 0..300), any::<prop::sample::Index>(), 0..600_usize), 1..200)) {
        let mut body = Vec::new();
        for (fresh, from, repeated) in pieces {
            body.extend(fresh);
            if !body.is_empty() {
                let from = from.index(body.len());
                // Also where it overlaps with itself.
                for at in from..from + repeated {
                    body.push(body[at]);
                }
            }
        }
        check(&body);
    }

    /// Few different bytes, so that nearly everything is a short repeat.
    #[test]
    fn few_different_bytes_come_out_again(body in vec(0..3_u8, 0..100_000)) {
        check(&body);
    }
}

#[test]
fn every_length_around_an_edge_comes_out_again() {
    let noise = noise(200_000, 1);
    let line = b"GET /items/1234 HTTP/1.1 200 5316 shop.example frontend\n".repeat(4000);
    for edge in [17, 511, 1022, 32_768, 65_536, 65_536 + 32_768] {
        for length in [17, 16, 15, 9, 8, 7, 1]
            .map(|less| edge - less)
            .into_iter()
            .chain(edge..edge + 3)
        {
            check(&noise[..length]);
            check(&line[..length]);
            check(&vec![b'x'; length]);
        }
    }
}

#[test]
fn a_match_begins_at_most_32_768_bytes_before() {
    let noise = noise(100, 2);
    for distance in [100, 101, 1000, 32_767, 32_768, 32_769, 65_535, 65_536, 100_000] {
        let mut body = noise.clone();
        body.resize(distance, b'.');
        let once = check(&body);
        body.extend_from_slice(&noise);
        let twice = check(&body);
        assert_eq!(
            twice < once + noise.len() / 2,
            distance <= 32_768,
            "{distance}: {once}, {twice}"
        );
    }
}

#[test]
fn what_is_one_byte_again_and_again_nearly_vanishes() {
    let size = check(&vec![0; 1 << 20]);
    assert!(size < 1 << 11, "{size}");
}

#[test]
fn what_has_no_pattern_grows_by_the_frame_alone() {
    let size = check(&noise(1 << 20, 3));
    let (frame, blocks) = (18, 32);
    assert!(size <= (1 << 20) + frame + blocks * 5, "{size}");
}

#[test]
fn a_short_text_needs_no_codes_of_its_own() {
    assert_eq!(check(b""), 20);
    assert_eq!(check(b"x"), 21);
    let text = br#"{"level":"info","message":"ready"}"#;
    assert!(check(text) < 18 + text.len() + 3);
}

#[test]
fn each_byte_comes_out_again() {
    let all: Vec<u8> = (0..=255).collect();
    check(&all);
    check(&all.repeat(1000));
}

#[test]
fn very_uneven_frequencies_come_out_again() {
    // Each byte as often as the two before, so that the rarest would need more bits than a code may have; in an order without repeats.
    let (mut body, mut counts) = (Vec::new(), (1, 1));
    for byte in 0..24 {
        body.extend(std::iter::repeat_n(byte, counts.0));
        counts = (counts.1, counts.0 + counts.1);
    }
    fastrand::Rng::with_seed(4).shuffle(&mut body);
    check(&body);
}
