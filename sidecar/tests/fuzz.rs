//! A smoke run of the fuzz targets: each on its committed corpus, and on mutations of it that a seed decides.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

#[path = "../fuzz/targets.rs"]
mod targets;

use fastrand::Rng;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use targets::{TARGETS, Target};

/// Mutations of each target, unless `LOGSHIP_FUZZ_RUNS` says another number.
const RUNS: u64 = 4_000;
/// Bytes of a mutation at most.
const BYTES_MAX: usize = 64 << 10;
/// What is likely to mean something to a parser.
const TOKENS: [&[u8]; 20] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"=",
    b"-",
    b" ",
    b"\n",
    b"\r\n",
    b"\xff\xfe",
    b" stderr P ",
    b"#",
    b"\0",
    b"\\u",
    b"99999999999999999999",
    b"\xff",
];

#[test]
fn no_target_panics_on_its_corpus_or_on_mutations_of_it() {
    let runs = setting("LOGSHIP_FUZZ_RUNS").unwrap_or(RUNS);
    let seed = setting("LOGSHIP_FUZZ_SEED").unwrap_or_default();
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        for input in &corpus {
            survive(name, *target, input);
        }
        let mut random = Rng::with_seed(seed);
        for _ in 0..runs {
            survive(name, *target, &mutation(&corpus, &mut random));
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for entry in fs::read_dir(corpora()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            TARGETS.iter().any(|(known, _)| *known == name),
            "{name} is no target"
        );
    }
}

fn corpora() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The inputs of a target in the order of their names, so that a seed always means the same.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = corpora().join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{} has the corpus of {target}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Runs a target and shows the input if it panics.
fn survive(name: &str, target: Target, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(outcome.is_ok(), "{name} panics on b\"{}\"", input.escape_ascii());
}

/// An input of the corpus after one to eight changes.
fn mutation(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = random.choice(corpus).unwrap().clone();
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(..=input.len());
        let end = random.usize(at..=input.len().min(at + 32));
        match random.u8(..6) {
            0 => drop(input.splice(at..end, [])),
            1 => drop(input.splice(at..at, random.choice(TOKENS).unwrap().iter().copied())),
            2 => drop(input.splice(at..end, [random.u8(..)])),
            3 => {
                let piece = input[at..end].repeat(random.usize(1..20));
                input.splice(at..at, piece);
            }
            4 => {
                let other = random.choice(corpus).unwrap();
                let from = random.usize(..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
        }
    }
    input.truncate(BYTES_MAX);
    input
}

#[expect(
    clippy::disallowed_methods,
    reason = "sizes of runs come from the environment"
)]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}
