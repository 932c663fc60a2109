//! Steps: regular expressions compile, names of sources and sinks are known, metrics are told apart.

use super::report::{Report, STEP_REGEX_BYTES_MAX, parse_each};
use logship_crd::agent_config as agent;
use logship_crd::v1alpha1 as v1;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of the name of a field that is set.
const FIELD_NAME_BYTES_MAX: usize = 256;
/// Bytes of a text that a field is set to: the sidecar's bound of an expression in CEL.
const TEXT_BYTES_MAX: usize = 4096;

pub(super) fn parse(
    steps: &[v1::Step],
    sources: &[v1::Source],
    sinks: &[v1::Sink],
    report: &mut Report,
) -> Option<Vec<agent::Step>> {
    let names = Names {
        sources: sources.iter().map(|source| source.name.as_str()).collect(),
        sinks: sinks.iter().map(|sink| sink.name.as_str()).collect(),
    };
    check_metrics(steps, report);
    parse_each("spec.pipeline", steps, report, |field, step, report| {
        self::step(field, step, &names, report)
    })
}

/// What a step can refer to.
struct Names<'a> {
    sources: BTreeSet<&'a str>,
    sinks: BTreeSet<&'a str>,
}

/// Two steps of one metric would count a record twice, and might disagree about its labels.
fn check_metrics(steps: &[v1::Step], report: &mut Report) {
    let mut seen = BTreeSet::new();
    for (i, step) in steps.iter().enumerate() {
        let Some(count) = &step.count else { continue };
        if !seen.insert(&count.name) {
            report.add(
                &format!("spec.pipeline[{i}].count.name"),
                &count.name,
                "give each counter a name of its own",
            );
        }
    }
}

fn step(field: &str, step: &v1::Step, names: &Names<'_>, report: &mut Report) -> Option<agent::Step> {
    for (i, source) in step.sources.iter().enumerate() {
        if !names.sources.contains(source.as_str()) {
            report.add(
                &format!("{field}.sources[{i}]"),
                source,
                format!(
                    "write the name of a source of this resource: {}",
                    listed(&names.sources)
                ),
            );
        }
    }
    Some(agent::Step {
        sources: step.sources.clone(),
        kind: kind(field, step, names, report)?,
    })
}

fn kind(field: &str, step: &v1::Step, names: &Names<'_>, report: &mut Report) -> Option<agent::StepKind> {
    use agent::StepKind;
    let v1::Step {
        sources: _,
        parse,
        severity,
        redact,
        drop,
        keep,
        sample,
        rate_limit,
        set,
        remove,
        alert,
        count,
    } = step;
    let mut kinds: Vec<Option<StepKind>> = Vec::new();
    let at = |kind: &str| format!("{field}.{kind}");
    if let Some(step) = parse {
        kinds.push(self::parse_step(&at("parse"), step, report).map(StepKind::Parse));
    }
    if let Some(v1::SeverityStep { field }) = severity {
        kinds.push(Some(StepKind::Severity(agent::SeverityStep {
            field: field.clone(),
        })));
    }
    if let Some(step) = redact {
        kinds.push(Some(StepKind::Redact(self::redact(&at("redact"), step, report))));
    }
    kinds.extend(drop.as_ref().map(|step| Some(StepKind::Drop(when(step)))));
    kinds.extend(keep.as_ref().map(|step| Some(StepKind::Keep(when(step)))));
    if let Some(v1::SampleStep { rate, when }) = sample {
        kinds.push(Some(StepKind::Sample(agent::SampleStep {
            rate: *rate,
            when: when.clone(),
        })));
    }
    if let Some(step) = rate_limit {
        kinds.push(Some(StepKind::RateLimit(self::rate_limit(step))));
    }
    if let Some(step) = set {
        kinds.push(Some(StepKind::Set(self::set(&at("set"), step, report))));
    }
    if let Some(v1::RemoveStep { fields }) = remove {
        kinds.push(Some(StepKind::Remove(agent::FieldsStep {
            fields: fields.clone(),
        })));
    }
    if let Some(step) = alert {
        kinds.push(Some(StepKind::Alert(self::alert(
            &at("alert"),
            step,
            names,
            report,
        ))));
    }
    if let Some(step) = count {
        kinds.push(Some(StepKind::Count(self::count(&at("count"), step, report))));
    }
    match (kinds.pop(), kinds.is_empty()) {
        (Some(kind), true) => kind,
        (last, _) => {
            let found = if last.is_some() { "more than one kind" } else { "" };
            report.add(
                field,
                found,
                "give it exactly one kind: parse, severity, redact, drop, keep, sample, rateLimit, set, remove, alert or count",
            );
            None
        }
    }
}

fn parse_step(field: &str, step: &v1::ParseStep, report: &mut Report) -> Option<agent::ParseStep> {
    let v1::ParseStep { format, pattern } = step;
    let format = match format {
        v1::ParseFormat::Json => agent::ParseFormat::Json,
        v1::ParseFormat::Logfmt => agent::ParseFormat::Logfmt,
        v1::ParseFormat::NginxCombined => agent::ParseFormat::NginxCombined,
        v1::ParseFormat::ApacheCommon => agent::ParseFormat::ApacheCommon,
        v1::ParseFormat::Syslog => agent::ParseFormat::Syslog,
        v1::ParseFormat::Cri => agent::ParseFormat::Cri,
        v1::ParseFormat::Regex => agent::ParseFormat::Regex,
    };
    let field = format!("{field}.pattern");
    match (format, pattern) {
        (agent::ParseFormat::Regex, Some(pattern)) => {
            let regex = report.regex(&field, pattern, STEP_REGEX_BYTES_MAX)?;
            if regex.capture_names().flatten().next().is_none() {
                let remedy = "write (?P<name>…) around each part that becomes a field";
                report.add(&field, pattern, remedy);
            }
        }
        (agent::ParseFormat::Regex, None) => {
            report.add(&field, "", "write the regular expression of the format regex");
        }
        (_, Some(pattern)) => report.add(
            &field,
            pattern,
            "leave it out, or write regex as the format: no other takes a pattern",
        ),
        (_, None) => {}
    }
    Some(agent::ParseStep {
        format,
        pattern: pattern.clone(),
    })
}

fn redact(field: &str, step: &v1::RedactStep, report: &mut Report) -> agent::RedactStep {
    let v1::RedactStep {
        pattern,
        replacement,
        fields,
    } = step;
    let field = format!("{field}.pattern");
    if let Some(regex) = report.regex(&field, pattern, STEP_REGEX_BYTES_MAX)
        && regex.is_match(b"")
    {
        report.add(
            &field,
            pattern,
            "write an expression that needs at least one character, for example + instead of *",
        );
    }
    agent::RedactStep {
        pattern: pattern.clone(),
        replacement: replacement.clone(),
        fields: fields.clone(),
    }
}

fn when(step: &v1::WhenStep) -> agent::WhenStep {
    agent::WhenStep {
        when: step.when.clone(),
    }
}

fn rate_limit(step: &v1::RateLimitStep) -> agent::RateLimitStep {
    let v1::RateLimitStep {
        per_second,
        burst,
        when,
    } = step;
    agent::RateLimitStep {
        per_second: *per_second,
        burst: *burst,
        when: when.clone(),
    }
}

fn set(field: &str, step: &v1::SetStep, report: &mut Report) -> agent::SetStep {
    let v1::SetStep { fields, when } = step;
    for (name, value) in fields {
        check_set_field(&format!("{field}.fields"), name, value, report);
    }
    agent::SetStep {
        fields: fields.clone(),
        when: when.clone(),
    }
}

fn check_set_field(field: &str, name: &str, value: &Value, report: &mut Report) {
    if name.is_empty() || name.len() > FIELD_NAME_BYTES_MAX {
        report.add(field, name, "write names of 1 to 256 bytes");
    }
    let field = format!("{field}[{name}]");
    match value {
        Value::String(text) if text.len() > TEXT_BYTES_MAX => {
            let bytes = format!("{} bytes long", text.len());
            report.add(&field, &bytes, "write a text of at most 4096 bytes");
        }
        Value::String(text) if text.strip_prefix('=').is_some_and(|cel| cel.trim().is_empty()) => {
            let remedy = "write an expression in CEL after the =, for example =duration * 1000.0";
            report.add(&field, text, remedy);
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {}
        Value::Null | Value::Array(_) | Value::Object(_) => report.add(
            &field,
            &value.to_string(),
            "write a text, a number, or true or false",
        ),
    }
}

fn alert(field: &str, step: &v1::AlertStep, names: &Names<'_>, report: &mut Report) -> agent::AlertStep {
    let v1::AlertStep { name, when, to } = step;
    for (i, target) in to.iter().enumerate() {
        let field = format!("{field}.to[{i}]");
        let is_sink = names.sinks.contains(target.as_str());
        let is_stderr = target == v1::AlertStep::STDERR;
        if is_stderr && is_sink {
            let remedy = "rename the sink of that name: here it means the sidecar's standard error";
            report.add(&field, target, remedy);
        } else if !is_stderr && !is_sink {
            let known = listed(&names.sinks);
            let remedy = format!("write stderr or the name of a sink of this resource: {known}");
            report.add(&field, target, remedy);
        }
    }
    let target = |name: &String| match name.as_str() {
        v1::AlertStep::STDERR => agent::AlertTarget::Stderr,
        sink => agent::AlertTarget::Sink(sink.to_owned()),
    };
    agent::AlertStep {
        name: name.clone(),
        when: when.clone(),
        to: to.iter().map(target).collect(),
    }
}

fn count(field: &str, step: &v1::CountStep, report: &mut Report) -> agent::CountStep {
    let v1::CountStep { name, labels, when } = step;
    let mut field_of_label = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        let name = label_name(label);
        let field = format!("{field}.labels[{i}]");
        if name.is_empty() {
            let remedy = "write the name of a field with a letter or a digit";
            report.add(&field, label, remedy);
        } else if let Some(other) = field_of_label.insert(name, label) {
            report.add(
                &field,
                label,
                format!("leave it out: it would be the same label as {other:?}"),
            );
        }
    }
    agent::CountStep {
        name: name.clone(),
        labels: labels.clone(),
        when: when.clone(),
    }
}

/// The label that a field becomes in the sidecar: an underscore stands for whatever Prometheus does not take, and before a digit;
/// names that begin with two are its own.
fn label_name(field: &str) -> String {
    let clean = |character: char| {
        if character.is_ascii_alphanumeric() {
            character
        } else {
            '_'
        }
    };
    let mut name: String = field.chars().map(clean).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name.trim_start_matches("__").to_owned()
}

/// Names for a message.
fn listed(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
