//! The oracle: every request carries a number of its own, so that what arrives can be compared with what was sent.

use anyhow::{Result, bail, ensure};
use std::collections::BTreeSet;

/// Marks a request's number in its path: `/?request=17;` (the semicolon ends the number).
const MARK: &str = "/?request=";

/// The path that asks for request `number`.
pub fn path(number: usize) -> String {
    format!("{MARK}{number};")
}

/// The numbers of the requests that a text speaks of, with how many times any was mentioned in all.
pub fn requests(text: &str) -> (BTreeSet<usize>, usize) {
    let mut mentions = 0;
    let numbers = numbers(text, MARK).inspect(|_| mentions += 1).collect();
    (numbers, mentions)
}

/// The numbers of lines `NAME=17;` in a text, in its order, provided that each number below `count` is there once.
///
/// # Errors
/// With those that are not.
pub fn each_once(text: &str, name: &str, count: usize) -> Result<Vec<usize>> {
    const SHOWN: usize = 10;
    let found = lines(text, name);
    let mut seen = vec![0_usize; count];
    for number in &found {
        let Some(times) = seen.get_mut(*number) else {
            bail!("{name}={number}; was never written");
        };
        *times += 1;
    }
    let numbers = |is_meant: fn(usize) -> bool| {
        let all = (0..count).filter(|number| is_meant(seen[*number]));
        (all.clone().count(), all.take(SHOWN).collect::<Vec<_>>())
    };
    let (lost, doubled) = (numbers(|times| times == 0), numbers(|times| times > 1));
    ensure!(
        (lost.0, doubled.0) == (0, 0),
        "of {count} lines {name}: {} lost, first {:?}; {} doubled, first {:?}",
        lost.0,
        lost.1,
        doubled.0,
        doubled.1
    );
    Ok(found)
}

/// The numbers of lines `NAME=17;` in a text, in its order.
pub fn lines(text: &str, name: &str) -> Vec<usize> {
    numbers(text, &format!("{name}=")).collect()
}

fn numbers(text: &str, mark: &str) -> impl Iterator<Item = usize> {
    text.split(mark)
        .skip(1)
        .filter_map(|rest| rest.split_once(';')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_to_be_there_once() {
        assert_eq!(each_once("web=1; web=0;", "web", 2).unwrap(), [1, 0]);
        for text in ["web=1;", "web=0; web=1; web=1;", "web=0; web=1; web=2;"] {
            assert!(each_once(text, "web", 2).is_err(), "{text}");
        }
    }

    #[test]
    fn finds_the_lines_of_one_name_in_their_order() {
        let text = "web=2; side=1;\nweb=1; web=x; web=2; web=3";
        assert_eq!(lines(text, "web"), [2, 1, 2]);
    }

    #[test]
    fn finds_each_number_once_and_counts_repetitions() {
        let text = format!(
            "GET {} HTTP/1.1\nGET {} x GET {}\n/?request=abc; /?request=9",
            path(1),
            path(22),
            path(1)
        );
        assert_eq!(requests(&text), (BTreeSet::from([1, 22]), 3));
    }
}
