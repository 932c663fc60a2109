//! What a pipeline may use, within what a process can have at all: the upper bounds are those of the resource.

use super::invalid;
use crate::config::Mistake;
use logship_crd::agent_config;
use std::ops::RangeInclusive;

const RECORD_BYTES: RangeInclusive<u64> = 1..=16 << 20;
const IN_FLIGHT_BYTES: RangeInclusive<u64> = 1..=256 << 20;
const OPEN_FILES: RangeInclusive<u64> = 1..=100_000;
const DEAD_LETTER_BYTES: RangeInclusive<u64> = 0..=1 << 30;

/// Or none: less is not worth its files.
const SPILL_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 30;

/// Limits within their bounds.
pub(super) struct Limits {
    pub(super) record_bytes: usize,
    pub(super) in_flight_bytes: usize,
    pub(super) open_files: usize,
    pub(super) dead_letter_bytes: u64,
}

/// The limits of a document, each moved into its bounds where that is a mistake.
pub(super) fn checked(limits: agent_config::Limits, mistakes: &mut Vec<Mistake>) -> Limits {
    let agent_config::Limits {
        record_bytes,
        in_flight_bytes,
        open_files,
        dead_letter_bytes,
    } = limits;
    let mut within = |field: &str, value: u64, bounds: RangeInclusive<u64>, remedy| {
        if !bounds.contains(&value) {
            mistakes.push(invalid(
                format!("limits.{field}"),
                &value,
                "out of bounds",
                remedy,
            ));
        }
        value.clamp(*bounds.start(), *bounds.end())
    };
    let record_bytes = within("recordBytes", record_bytes, RECORD_BYTES, "write 1 to 16777216");
    let in_flight_bytes = within(
        "inFlightBytes",
        in_flight_bytes,
        IN_FLIGHT_BYTES,
        "write 1 to 268435456",
    );
    let open_files = within("openFiles", open_files, OPEN_FILES, "write 1 to 100000");
    let dead_letter_bytes = within(
        "deadLetterBytes",
        dead_letter_bytes,
        DEAD_LETTER_BYTES,
        "write at most 1073741824",
    );
    let size = |value| usize::try_from(value).expect("bounded above");
    Limits {
        record_bytes: size(record_bytes),
        in_flight_bytes: size(in_flight_bytes),
        open_files: size(open_files),
        dead_letter_bytes,
    }
}

/// Bytes that a source may keep on the state volume.
pub(super) fn spill(place: &str, spill: agent_config::Spill, mistakes: &mut Vec<Mistake>) -> u64 {
    let agent_config::Spill { max_bytes } = spill;
    if max_bytes > 0 && !SPILL_BYTES.contains(&max_bytes) {
        let place = format!("{place}.containerOutput.spill.maxBytes");
        let remedy = "write 0 or 1048576 to 1073741824";
        mistakes.push(invalid(place, &max_bytes, "out of bounds", remedy));
    }
    max_bytes.min(*SPILL_BYTES.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spill_is_nothing_or_within_its_bounds() {
        let check = |max_bytes, expected: Option<&str>| {
            let mut mistakes = Vec::new();
            spill("sources[out]", agent_config::Spill { max_bytes }, &mut mistakes);
            let found = mistakes.first().map(ToString::to_string);
            assert_eq!(found.as_deref(), expected);
        };
        check(agent_config::Spill::default().max_bytes, None);
        check(0, None);
        check(1 << 20, None);
        check(
            1000,
            Some(
                "sources[out].containerOutput.spill.maxBytes is \"1000\": out of bounds; write 0 or 1048576 to 1073741824",
            ),
        );
        check(
            2 << 30,
            Some(
                "sources[out].containerOutput.spill.maxBytes is \"2147483648\": out of bounds; write 0 or 1048576 to 1073741824",
            ),
        );
    }

    #[test]
    fn limits_that_a_process_cannot_have_are_mistakes() {
        let check = |limits: agent_config::Limits, expected: &[&str]| {
            let mut mistakes = Vec::new();
            checked(limits, &mut mistakes);
            let found: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{found}");
            }
        };
        check(agent_config::Limits::default(), &[]);
        let all = |value| agent_config::Limits {
            record_bytes: value,
            in_flight_bytes: value,
            open_files: value,
            dead_letter_bytes: value,
        };
        // Nothing would ever be read, or every record would be empty.
        check(
            all(0),
            &["limits.recordBytes", "limits.inFlightBytes", "limits.openFiles"],
        );
        check(all(1), &[]);
        // Room for the end of a line is added to the longest record.
        check(
            all(u64::MAX),
            &[
                "limits.recordBytes",
                "limits.inFlightBytes",
                "limits.openFiles",
                "limits.deadLetterBytes",
            ],
        );
    }
}
