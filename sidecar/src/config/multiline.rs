//! The rules by which lines are joined to records.

use super::document::invalid;
use super::{Boundary, Mistake, Multiline, expression};
use logship_crd::agent_config;
use std::time::Duration;

const REMEDY: &str = "write a regular expression that is searched in a line, for example ^\\d{4}-";

/// The rules at `place`, with their expression compiled. None: there are mistakes.
pub(super) fn compiled(
    place: &str,
    rules: agent_config::Multiline,
    mistakes: &mut Vec<Mistake>,
) -> Option<Multiline> {
    let agent_config::Multiline {
        start,
        end,
        max_lines,
        timeout_ms,
    } = rules;
    if max_lines == 0 {
        let place = format!("{place}.maxLines");
        mistakes.push(invalid(place, &0, "no line fits", "write at least 1"));
    }
    if timeout_ms == 0 {
        let place = format!("{place}.timeoutMs");
        mistakes.push(invalid(place, &0, "no line is waited for", "write at least 1"));
    }
    let boundary = match (start, end) {
        (Some(text), None) => {
            expression(&format!("{place}.start"), &text, REMEDY, mistakes).map(Boundary::Start)
        }
        (None, Some(text)) => expression(&format!("{place}.end"), &text, REMEDY, mistakes).map(Boundary::End),
        (start, end) => {
            let found = [start.map(|_| "start"), end.map(|_| "end")];
            let found = found.into_iter().flatten().collect::<Vec<_>>().join(" and ");
            mistakes.push(invalid(
                place.to_owned(),
                &found,
                "exactly one expression finds the boundary",
                "write either start or end",
            ));
            None
        }
    };
    Some(Multiline {
        boundary: boundary?,
        lines_max: max_lines.max(1),
        timeout: Duration::from_millis(timeout_ms.max(1)),
    })
}
