//! Where a field that a mistake names is in a document: `sinks[bus].http.url` is `/sinks/1/http/url` if the second sink is `bus`.

use super::document_text::escaped;
use serde_json::Value;

/// The JSON pointer of a field. It ends where the document has no such part.
pub(super) fn pointer(document: &Value, field: &str) -> String {
    let mut pointer = String::new();
    let mut value = document;
    for part in parts(field) {
        let found = match (value, part) {
            (Value::Array(list), Part::Bracket(name)) => element(list, name),
            (Value::Object(object), Part::Member(name) | Part::Bracket(name)) => {
                object.get(name).map(|value| (escaped(name), value))
            }
            _ => None,
        };
        let Some((name, inner)) = found else { break };
        pointer.push('/');
        pointer.push_str(&name);
        value = inner;
    }
    pointer
}

enum Part<'f> {
    Member(&'f str),
    /// An index, the name of an element, or a name that may have dots.
    Bracket(&'f str),
}

fn parts(field: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = field;
    while !rest.is_empty() {
        if let Some((name, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            parts.push(Part::Bracket(name));
            rest = after;
        } else {
            let start = usize::from(rest.starts_with('.'));
            let end = rest[start..]
                .find(['.', '['])
                .map_or(rest.len(), |end| start + end.max(1));
            parts.push(Part::Member(&rest[start..end]));
            rest = &rest[end..];
        }
    }
    parts
}

fn element<'v>(list: &'v [Value], name: &str) -> Option<(String, &'v Value)> {
    let named = list.iter().position(|element| element["name"] == name);
    let index = named.or_else(|| name.parse().ok())?;
    list.get(index).map(|value| (index.to_string(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_found_by_name_index_and_odd_names() {
        let document = json!({
            "sinks": [{"name": "out"}, {"name": "bus", "http": {"url": "x", "headers": {"a.b/c": "d"}}}],
            "pipeline": [{"drop": {"when": "x"}}],
        });
        for (field, expected) in [
            ("sinks[bus].http.url", "/sinks/1/http/url"),
            ("sinks[bus].http.headers[a.b/c]", "/sinks/1/http/headers/a.b~1c"),
            ("pipeline[0].drop.when", "/pipeline/0/drop/when"),
            ("sinks[bus].http.tls.keyFile", "/sinks/1/http"),
            ("sinks[absent].http", "/sinks"),
            ("version", ""),
            ("[", ""),
            ("..", ""),
        ] {
            assert_eq!(pointer(&document, field), expected, "{field}");
        }
    }
}
