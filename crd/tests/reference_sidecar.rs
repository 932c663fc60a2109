//! `config/reference-sidecar.md` lists every field of the sidecar's document, as the types say; it may not be stale.
//! `UPDATE=1 cargo test -p logship-crd --test reference_sidecar` writes it.

use logship_crd::agent_config::AgentConfig;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

const HEADER: &str = "<!-- Generated from crd/src/agent_config by `UPDATE=1 cargo test -p logship-crd --test reference_sidecar`; do not edit. -->

# The sidecar's document

YAML or JSON, one pipeline: `logship run --config FILE`, checked by `logship check FILE`. An unknown field is an error. Examples that are
tested are in [recipes](recipes/README.md). What has no default is needed, unless it is optional.
";

/// Writes one section for each type, in the order in which they are met.
struct Page<'a> {
    types: &'a Map<String, Value>,
    met: Vec<&'a str>,
    text: String,
}

impl<'a> Page<'a> {
    fn section(&mut self, name: &str, schema: &'a Value) {
        let _ = write!(self.text, "\n## {name}\n\n{}\n", description(schema));
        if let Some(variants) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
            self.variants(variants);
        } else {
            self.members(schema);
        }
    }

    fn variants(&mut self, variants: &'a [Value]) {
        self.text.push_str("\n| value | meaning |\n| --- | --- |\n");
        for variant in variants {
            let value = match (&variant["const"], variant["properties"].as_object()) {
                (Value::String(value), _) => format!("`{value}`"),
                (_, Some(object)) => {
                    let member =
                        |(name, schema): (&String, &'a Value)| format!("`{name}: ` {}", self.kind(schema));
                    object.iter().map(member).collect::<Vec<_>>().join(", ")
                }
                _ => self.kind(variant),
            };
            let _ = writeln!(self.text, "| {value} | {} |", cell(&description(variant)));
        }
    }

    fn members(&mut self, schema: &'a Value) {
        let Some(members) = schema["properties"].as_object() else {
            return;
        };
        let needed: BTreeSet<_> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        self.text
            .push_str("\n| field | type | default | meaning |\n| --- | --- | --- | --- |\n");
        for (name, member) in members {
            let default = match &member["default"] {
                Value::Null if needed.contains(name.as_str()) => "needed".to_owned(),
                Value::Null => "none".to_owned(),
                Value::Object(object) => format!("`{}`", Value::Object(object.clone())),
                value => format!("`{value}`"),
            };
            let kind = self.kind(member);
            let _ = writeln!(
                self.text,
                "| `{name}` | {kind} | {} | {} |",
                cell(&default),
                cell(&description(member))
            );
        }
    }

    /// A type in words; one that has a section of its own is linked, and written later.
    fn kind(&mut self, schema: &'a Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference
                .rsplit('/')
                .next()
                .expect("rsplit gives at least one part");
            let (name, _) = self
                .types
                .get_key_value(name)
                .expect("a referenced type is defined");
            if !self.met.contains(&name.as_str()) {
                self.met.push(name);
            }
            return format!("[{}](#{})", shown(name), shown(name).to_lowercase());
        }
        if let Some(either) = schema["anyOf"].as_array().or(schema["allOf"].as_array()) {
            let real = either.iter().find(|schema| schema["type"] != "null");
            return real.map_or_else(String::new, |schema| self.kind(schema));
        }
        match &schema["type"] {
            Value::String(name) if name == "array" => format!("list of {}", self.kind(&schema["items"])),
            Value::String(name) if name == "object" => match &schema["additionalProperties"] {
                Value::Object(_) => format!("object of {}", self.kind(&schema["additionalProperties"])),
                _ => "object".to_owned(),
            },
            Value::String(name) => name.clone(),
            Value::Array(names) => {
                let real = names
                    .iter()
                    .filter_map(Value::as_str)
                    .find(|name| *name != "null");
                real.unwrap_or_default().to_owned()
            }
            _ => "any".to_owned(),
        }
    }
}

/// `SinkDocument` is how a `Sink` is read.
fn shown(name: &str) -> &str {
    name.strip_suffix("Document").unwrap_or(name)
}

/// Without the links of Rust's documentation.
fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.replace("[`", "`").replace("`]", "`").replace('\n', " ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn page() -> String {
    let schema = schemars::schema_for!(AgentConfig).to_value();
    let none = Map::new();
    let mut page = Page {
        types: schema["$defs"].as_object().unwrap_or(&none),
        met: Vec::new(),
        text: HEADER.to_owned(),
    };
    page.section("Document", &schema);
    let mut written = 0;
    while let Some(name) = page.met.get(written).copied() {
        written += 1;
        let types = page.types;
        page.section(shown(name), &types[name]);
    }
    page.text
}

#[test]
fn committed_page_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/reference-sidecar.md");
    let expected = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &expected).expect("the page can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "{} is stale: run `UPDATE=1 cargo test -p logship-crd --test reference_sidecar`",
        path.display()
    );
}

#[test]
fn every_kind_of_source_step_and_sink_has_its_fields_on_the_page() {
    let page = page();
    for field in [
        "scanIntervalMs",
        "containerOutput",
        "rateLimit",
        "elasticsearch",
        "insecureSkipVerify",
        "maxBytes",
        "drainMs",
    ] {
        assert!(
            page.contains(&format!("`{field}`")),
            "{field} is missing:\n{page}"
        );
    }
}
