//! The oracle: every request carries a number of its own, so that what arrives can be compared with what was sent.

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
    let numbers = text
        .split(MARK)
        .skip(1)
        .filter_map(|rest| rest.split_once(';')?.0.parse().ok())
        .inspect(|_| mentions += 1)
        .collect();
    (numbers, mentions)
}

#[cfg(test)]
mod tests {
    use super::*;

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
