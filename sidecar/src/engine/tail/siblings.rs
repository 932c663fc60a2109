//! Names of rotated files: what a file was called before it was rotated, and which of two rotated files is older.
//!
//! A name proves nothing about contents; it says only where to look for a file that was renamed or compressed, and in which order to
//! read what was found.

use std::cmp::Reverse;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name before the rotation.
    pub stem: String,
    /// Among the files of this stem.
    pub age: Age,
}

/// Oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// By a date or time, and perhaps a number of that day.
    Stamped(Vec<u64>),
    /// By a number that grows with each rotation.
    Numbered(Reverse<u64>),
    /// It is being written.
    Current,
}

impl Rotated {
    /// A file that is not rotated.
    pub fn current(name: &str) -> Self {
        Self {
            stem: name.to_owned(),
            age: Age::Current,
        }
    }
}

/// Numbers of more digits are dates or times.
const NUMBER_DIGITS_MAX: usize = 5;

/// Reads a name of the forms `a.log.1`, `a.log-20260102`, `a-2026-01-02.log`, `a.1.log`, each perhaps with `.gz`; none for others.
pub fn rotated(name: &str) -> Option<Rotated> {
    let plain = name.strip_suffix(COMPRESSED).unwrap_or(name);
    let extension = plain.rfind('.').unwrap_or(plain.len());
    let (before, token, after) = if let Some(at) = token(plain) {
        (&plain[..at], &plain[at..], "")
    } else if let Some(at) = token(&plain[..extension]) {
        (&plain[..at], &plain[at..extension], &plain[extension..])
    } else if is_compressed(name) {
        (plain, "", "")
    } else {
        return None;
    };
    let numbers: Vec<&str> = token
        .split(|character: char| !character.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .collect();
    let values = || numbers.iter().filter_map(|digits| digits.parse().ok());
    let age = match numbers.as_slice() {
        [] => Age::Numbered(Reverse(0)),
        [number] if number.len() <= NUMBER_DIGITS_MAX => Age::Numbered(Reverse(number.parse().ok()?)),
        _ => Age::Stamped(values().collect()),
    };
    Some(Rotated {
        stem: format!("{before}{after}"),
        age,
    })
}

/// More names of one file are not remembered.
const FAMILIES_MAX: usize = 4;

/// What the names of a file would be without a rotation, whether or not there are files of those names.
#[derive(Debug, Clone)]
pub struct Families(Vec<String>);

impl Families {
    /// Of a file that has one name.
    pub fn of(name: &str) -> Self {
        let mut families = Self(Vec::new());
        families.add(name);
        families
    }

    /// It has this name too.
    pub fn add(&mut self, name: &str) {
        let family = rotated(name).map_or_else(|| name.to_owned(), |rotated| rotated.stem);
        if self.0.len() < FAMILIES_MAX && !self.has(&family) {
            self.0.push(family);
        }
    }

    /// Whether a file of this name may have been rotated to one of them.
    pub fn has(&self, stem: &str) -> bool {
        self.0.iter().any(|family| family == stem)
    }
}

/// Whether its contents are compressed.
pub fn is_compressed(name: &str) -> bool {
    name.ends_with(COMPRESSED)
}

/// Whether somebody is still making a rotated file of it.
pub fn is_temporary(name: &str) -> bool {
    name.strip_suffix(".tmp")
        .is_some_and(|made| is_compressed(made) || rotated(made).is_some())
}

const COMPRESSED: &str = ".gz";

/// Where digits with separators begin that reach to the end of the text.
fn token(text: &str) -> Option<usize> {
    let body =
        text.trim_end_matches(|character: char| character.is_ascii_digit() || "-_.:T".contains(character));
    let rest = &text[body.len()..];
    let separated = rest.starts_with(['-', '_', '.']) && rest.ends_with(|last: char| last.is_ascii_digit());
    (separated && !body.is_empty()).then_some(body.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<(&str, Age)>) {
        let found = rotated(name).map(|rotated| (rotated.stem, rotated.age));
        assert_eq!(
            found,
            expected.map(|(stem, age)| (stem.to_owned(), age)),
            "{name}"
        );
    }

    #[test]
    fn names_of_rotated_files_are_read() {
        let number = |number| Age::Numbered(Reverse(number));
        let stamp = |numbers: &[u64]| Age::Stamped(numbers.to_vec());
        check("a.log", None);
        check("a", None);
        check("1.log", None);
        check("a.log.1", Some(("a.log", number(1))));
        check("a.log.12.gz", Some(("a.log", number(12))));
        check("a.log.gz", Some(("a.log", number(0))));
        check("a.log-20260102", Some(("a.log", stamp(&[20_260_102]))));
        check("a.log-20260102.gz", Some(("a.log", stamp(&[20_260_102]))));
        check("a-2026-01-02-3.log.gz", Some(("a.log", stamp(&[2026, 1, 2, 3]))));
        check("a.1.log", Some(("a.log", number(1))));
        check("messages.1", Some(("messages", number(1))));
    }

    #[test]
    fn higher_numbers_and_earlier_stamps_are_older() {
        let age = |name| rotated(name).unwrap().age;
        assert!(age("a.log.3.gz") < age("a.log.1"));
        assert!(age("a.log-20260102") < age("a.log-20260103"));
        assert!(age("a.log.1") < Age::Current);
    }

    #[test]
    fn what_is_being_compressed_is_temporary() {
        assert!(is_temporary("a.log.1.gz.tmp"));
        assert!(is_temporary("a.log.1.tmp"));
        assert!(!is_temporary("a.tmp"));
        assert!(!is_temporary("a.log"));
    }
}
