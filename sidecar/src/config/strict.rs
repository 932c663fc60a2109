//! From a document's values to the types of the contract, with every mistake of form.
//!
//! serde stops at the first mistake. So the part that has it is taken out, and the rest is read again: an unknown or wrong member
//! alone, and where that does not help the element of a list that it is in, in whose place a harmless one of the same name stands.

use super::document_text::escaped;
use logship_crd::agent_config::AgentConfig;
use serde_json::{Map, Value, json};
use serde_path_to_error::Segment;
use std::collections::BTreeSet;

/// A document with more mistakes than these is no document.
const MISTAKES_MAX: usize = 50;

/// A mistake of form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// JSON pointer of what has it.
    pub(super) pointer: String,
    /// For people.
    pub(super) problem: String,
}

/// The document as far as it can be read, and its mistakes. Without a document there is at least one.
pub(super) fn read(document: &Value) -> (Option<AgentConfig>, Vec<Misfit>) {
    let mut rest = document.clone();
    let mut misfits = Vec::new();
    let mut removed = BTreeSet::new();
    while misfits.len() < MISTAKES_MAX {
        let error = match AgentConfig::read(&rest) {
            Ok(config) => return (Some(config), misfits),
            Err(error) => error,
        };
        let problem = error.inner().to_string();
        let mut path: Vec<String> = error.path().iter().filter_map(segment).collect();
        let unknown = quoted(&problem, "unknown field `");
        let missing = quoted(&problem, "missing field `");
        if let Some(name) = unknown
            && path.last().map(String::as_str) != Some(name)
        {
            path.push(name.to_owned());
        }
        let lost = missing.map(|name| [&path[..], &[name.to_owned()]].concat());
        let follows = lost.is_some_and(|lost| removed.contains(&lost));
        if !follows {
            misfits.push(Misfit {
                pointer: pointer(&path),
                problem: format!("{}{problem}", field(&path)),
            });
        }
        let is_open = missing.is_none() && !removed.contains(&path);
        let is_out = is_open && remove(&mut rest, &path);
        if !is_out && !replace(&mut rest, &path) {
            return (None, misfits);
        }
        removed.insert(path);
    }
    (None, misfits)
}

fn segment(segment: &Segment) -> Option<String> {
    match segment {
        Segment::Map { key } => Some(key.clone()),
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Enum { .. } | Segment::Unknown => None,
    }
}

fn quoted<'p>(problem: &'p str, before: &str) -> Option<&'p str> {
    problem.strip_prefix(before)?.split('`').next()
}

fn pointer(path: &[String]) -> String {
    path.iter()
        .fold(String::new(), |pointer, part| pointer + "/" + &escaped(part))
}

/// As mistakes name it: `sinks[0].http.url: `.
fn field(path: &[String]) -> String {
    let mut field = String::new();
    for part in path {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            field.extend(["[", part, "]"]);
        } else {
            field.push_str(if field.is_empty() { "" } else { "." });
            field.push_str(part);
        }
    }
    if field.is_empty() { field } else { field + ": " }
}

/// Takes a member out of its object.
fn remove(document: &mut Value, path: &[String]) -> bool {
    let Some((name, parents)) = path.split_last() else {
        return false;
    };
    let parent = document
        .pointer_mut(&pointer(parents))
        .and_then(Value::as_object_mut);
    parent.is_some_and(|object: &mut Map<_, _>| object.remove(name).is_some())
}

/// Puts something harmless in the place of what the path leads into, so that names and numbers of the others stay.
fn replace(document: &mut Value, path: &[String]) -> bool {
    let (place, harmless) = match path {
        [list, index, ..] => {
            let place = pointer(&[list.clone(), index.clone()]);
            let name = document.pointer(&format!("{place}/name")).and_then(Value::as_str);
            let name = name.map_or_else(|| format!("unnamed-{index}"), str::to_owned);
            let harmless = match list.as_str() {
                "sources" => json!({"name": name, "containerOutput": {}}),
                "sinks" => json!({"name": name, "stdout": {}}),
                "pipeline" => json!({"severity": {}}),
                _ => return false,
            };
            (place, harmless)
        }
        _ => return false,
    };
    let Some(found) = document.pointer_mut(&place).filter(|found| **found != harmless) else {
        return false;
    };
    *found = harmless;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({"version": 1, "name": "shop",
            "sources": [{"name": "a", "containerOutput": {}}], "sinks": [{"name": "out", "stdout": {}}]})
    }

    #[test]
    fn every_mistake_of_form_is_found_with_its_pointer() {
        let mut wrong = document();
        wrong["colour"] = json!(1);
        wrong["drainMs"] = json!("soon");
        wrong["sources"] =
            json!([{"name": "a", "files": {"directory": 1, "pattern": "x", "scanIntervalMS": 2}}]);
        wrong["sinks"][0]["batchh"] = json!({});
        wrong["pipeline"] =
            json!([{"parse": {"format": "xml"}}, {"severity": {}, "drop": {"when": "x"}}, {"dropp": {}}]);
        let (config, misfits) = read(&wrong);
        assert!(config.is_some(), "the rest can be checked too");
        let mut found: Vec<&str> = misfits.iter().map(|misfit| misfit.pointer.as_str()).collect();
        found.sort_unstable();
        let expected = [
            "/colour",
            "/drainMs",
            "/pipeline/0/parse/format",
            "/pipeline/1",
            "/pipeline/2",
            "/pipeline/2/dropp",
            "/sinks/0/batchh",
            "/sources/0/files/directory",
            "/sources/0/files/scanIntervalMS",
        ];
        assert_eq!(found, expected, "{misfits:#?}");
    }

    #[test]
    fn documents_that_are_none_at_all_are_refused() {
        for (wrong, problem) in [
            (json!(null), "invalid type"),
            (json!([]), "invalid"),
            (json!({}), "missing field"),
            (
                json!({"version": 1, "name": "x", "sources": 1, "sinks": []}),
                "sources: invalid type",
            ),
        ] {
            let (config, misfits) = read(&wrong);
            assert!(config.is_none());
            assert!(misfits[0].problem.contains(problem), "{wrong}: {misfits:?}");
        }
    }

    #[test]
    fn right_document_has_no_mistake() {
        assert_eq!(read(&document()).1, []);
    }
}
