//! The reference page of the resource, in Markdown, from the schema of its definition: a table for each object below `spec`, in the
//! order in which a reader meets them. An object that has the same fields as one before is a link to that one.

use serde_json::{Map, Value};
use std::fmt::Write as _;

const HEADER: &str = "<!-- Generated from crd/src/v1alpha1.rs by `UPDATE=1 cargo test -p logship-crd --test generated`; do not edit. -->

# Reference of `LogShipping`

`kubectl explain logshipping.spec --recursive` shows the same on a cluster. Durations are whole numbers with `ms`, `s`, `m` or `h`, such
as `1m30s`; sizes are whole numbers of bytes with an optional `Ki`, `Mi` or `Gi`. A field without a default is optional unless it is
marked as required. The rules below a table are checked when the resource is applied; what else the operator finds is in the
condition `Valid` of its status.
";

/// The page for the schema of the whole resource.
pub fn page(schema: &Value) -> String {
    let mut sections = Sections::default();
    sections.object("spec", &schema["properties"]["spec"]);
    format!("{HEADER}{}", sections.text)
}

#[derive(Default)]
struct Sections<'a> {
    text: String,
    /// Path and fields of each section.
    written: Vec<(String, &'a Value)>,
}

impl<'a> Sections<'a> {
    fn object(&mut self, path: &str, schema: &'a Value) {
        let Some(fields) = schema["properties"].as_object() else {
            return;
        };
        self.written.push((path.to_owned(), &schema["properties"]));
        let mut rows = String::new();
        let mut nested = Vec::new();
        for (name, field) in fields {
            let below =
                nested_object(field).map(|(suffix, object)| (format!("{path}.{name}{suffix}"), object));
            let kind = match &below {
                Some((below, object)) => {
                    let known = self.written.iter().chain(&nested);
                    let known = known.clone().find(|(_, fields)| **fields == object["properties"]);
                    let target = known.map_or(below, |(target, _)| target).clone();
                    if target == *below {
                        nested.push((below.clone(), &object["properties"]));
                    }
                    let many = if field["type"] == "array" { "list of " } else { "" };
                    format!("{many}[{}](#{})", last(&target), anchor(&target))
                }
                None => kind(field),
            };
            let required = schema["required"]
                .as_array()
                .is_some_and(|names| names.contains(&name.as_str().into()));
            let default = if required {
                "required".to_owned()
            } else {
                default(field)
            };
            let cells = [
                format!("`{name}`"),
                kind,
                default,
                bounds(field),
                description(field),
            ];
            let cells = cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "));
            writeln!(rows, "| {} |", cells.join(" | ")).expect("a text can be appended to");
        }
        write!(
            self.text,
            "\n## {path}\n\n| field | type | default | bounds | what |\n| --- | --- | --- | --- | --- |\n{rows}"
        )
        .expect("a text can be appended to");
        self.rules(schema);
        for (name, field) in fields {
            if let Some((suffix, object)) = nested_object(field) {
                let below = format!("{path}.{name}{suffix}");
                if !self
                    .written
                    .iter()
                    .any(|(_, fields)| **fields == object["properties"])
                {
                    self.object(&below, object);
                }
            }
        }
    }

    /// The rules of the object and of its fields.
    fn rules(&mut self, schema: &Value) {
        let fields = schema["properties"]
            .as_object()
            .map(Map::values)
            .into_iter()
            .flatten();
        let rules: Vec<&str> = std::iter::once(schema)
            .chain(
                fields.filter(|field| field["type"] != "object" || field["additionalProperties"].is_object()),
            )
            .flat_map(|schema| {
                schema["x-kubernetes-validations"]
                    .as_array()
                    .into_iter()
                    .flatten()
            })
            .filter_map(|rule| rule["message"].as_str())
            .collect();
        if !rules.is_empty() {
            writeln!(self.text, "\n* {}", rules.join("\n* ")).expect("a text can be appended to");
        }
    }
}

/// The object that a field is, or that the items of a list are.
fn nested_object(field: &Value) -> Option<(&'static str, &Value)> {
    let has_fields = |schema: &Value| schema["properties"].is_object();
    if has_fields(field) {
        Some(("", field))
    } else {
        has_fields(&field["items"]).then(|| ("[]", &field["items"]))
    }
}

fn kind(field: &Value) -> String {
    let name = |schema: &Value| schema["type"].as_str().unwrap_or("any value").to_owned();
    match field["type"].as_str() {
        Some("array") => format!("list of {}", name(&field["items"])),
        Some("object") => format!("map of {}", name(&field["additionalProperties"])),
        _ => name(field),
    }
}

fn default(field: &Value) -> String {
    match &field["default"] {
        Value::Null | Value::Object(_) => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn bounds(field: &Value) -> String {
    let mut bounds = Vec::new();
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|value| format!("`{value}`"))
            .collect();
        bounds.push(values.join(", "));
    }
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " entries"),
    ] {
        match (field[least].as_f64(), field[most].as_f64()) {
            (Some(least), Some(most)) => bounds.push(format!("{least} to {most}{unit}")),
            (Some(least), None) => bounds.push(format!("at least {least}{unit}")),
            (None, Some(most)) => bounds.push(format!("at most {most}{unit}")),
            (None, None) => {}
        }
    }
    bounds.extend(field["pattern"].as_str().map(|pattern| format!("`{pattern}`")));
    bounds.join("; ")
}

fn description(field: &Value) -> String {
    field["description"].as_str().unwrap_or_default().to_owned()
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path).trim_end_matches("[]")
}

/// How GitHub and others name the place of a heading.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(['.', '[', ']'], "")
}
