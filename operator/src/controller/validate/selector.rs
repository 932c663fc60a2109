//! Selectors: the rules of the API server, which it checks for its own kinds only.

use super::report::{self, Report};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::Selector;

const KEY: &str =
    "write a label key: at most 63 letters, digits, '-', '_' and '.', after an optional DNS name and '/'";
const VALUE: &str = "write a label value: at most 63 letters, digits, inner '-', '_' and '.'";

/// Checks a selector and makes it one that can be matched.
pub(super) fn parse(selector: &LabelSelector, report: &mut Report) -> Option<Selector> {
    for (key, value) in selector.match_labels.iter().flatten() {
        let field = format!("spec.selector.matchLabels[{key}]");
        if !is_key(key) {
            report.add(&field, key, KEY);
        }
        check_value(&field, value, report);
    }
    for (i, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        check_requirement(
            &format!("spec.selector.matchExpressions[{i}]"),
            requirement,
            report,
        );
    }
    Selector::try_from(selector.clone()).ok()
}

fn check_requirement(field: &str, requirement: &LabelSelectorRequirement, report: &mut Report) {
    let LabelSelectorRequirement {
        key,
        operator,
        values,
    } = requirement;
    if !is_key(key) {
        report.add(&format!("{field}.key"), key, KEY);
    }
    let values = values.as_deref().unwrap_or_default();
    match operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            report.add(
                &format!("{field}.values"),
                "[]",
                format!("give {operator} at least one value"),
            );
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let given = format!("[{}]", values.join(", "));
            report.add(
                &format!("{field}.values"),
                &given,
                format!("leave it out: {operator} takes no values"),
            );
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => report.add(
            &format!("{field}.operator"),
            operator,
            "write In, NotIn, Exists or DoesNotExist",
        ),
    }
    for value in values {
        check_value(&format!("{field}.values"), value, report);
    }
}

fn check_value(field: &str, value: &str, report: &mut Report) {
    if !value.is_empty() && !is_name(value) {
        report.add(field, value, VALUE);
    }
}

/// `[prefix/]name`, the prefix a DNS name.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_domain = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(report::is_dns_label);
    prefix.is_none_or(is_domain) && is_name(name)
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(inner) && ends(text.bytes().next()) && ends(text.bytes().last())
}
