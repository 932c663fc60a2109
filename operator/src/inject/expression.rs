//! A mount's `subPathExpr`, said so that it means in the sidecar what it means in the application's container.
//!
//! The kubelet replaces `$(NAME)` by the variables of the container that has the mount, and the sidecar has others. So literal values
//! are written into the path, and fields of the pod are asked for by variables of the sidecar. A variable that only the kubelet knows
//! (of a ConfigMap, a Secret, a Service, the container's resources) cannot be said that way: it is named, and the pod is left alone.
//!
//! The syntax is that of Kubernetes' forked expansion package: `$$` is a dollar, and what is no reference stays as it is. Values
//! may refer to variables defined before them.

use super::pod::{items, text};
use logship_crd::names;
use serde_json::Value;
use std::collections::BTreeMap;

/// Why an expression cannot be said in the sidecar.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Its value is not in the pod.
    #[error(
        "the variable {0} is no literal value and no field of the pod; define it in env by value or fieldRef, or use subPath"
    )]
    Unknown(String),
    /// The kubelet would refuse the container.
    #[error("it leads out of the volume; correct it")]
    Outside,
}

/// The folder of a mount in the sidecar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Folder {
    /// The volume itself.
    None,
    /// `subPath`.
    Plain(String),
    /// `subPathExpr`, with the sidecar's variables.
    Expression(String),
}

/// Fields of the pod that the sidecar needs beside those that it always has.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<String>);

impl Fields {
    /// The sidecar's variables for them, each with its field path.
    pub(super) fn variables(&self) -> impl Iterator<Item = (String, &str)> {
        let numbered = self.0.iter().enumerate();
        numbered.map(|(index, path)| (names::field_variable(index), path.as_str()))
    }

    /// The sidecar's variable for a field of the pod.
    fn variable(&mut self, path: &str) -> String {
        let always = [
            (names::ENV_POD_NAME, "metadata.name"),
            (names::ENV_POD_NAMESPACE, "metadata.namespace"),
            (names::ENV_POD_UID, "metadata.uid"),
            (names::ENV_NODE_NAME, "spec.nodeName"),
        ];
        if let Some((name, _)) = always.into_iter().find(|(_, known)| *known == path) {
            return name.to_owned();
        }
        let index = self.0.iter().position(|known| known == path).unwrap_or_else(|| {
            self.0.push(path.to_owned());
            self.0.len() - 1
        });
        names::field_variable(index)
    }
}

/// What `expression` means in `container`, in terms of the sidecar's variables; those that it lacks are added to `fields`.
pub(super) fn translate(expression: &str, container: &Value, fields: &mut Fields) -> Result<Folder, Error> {
    let pieces = expand(expression, &variables(container)).map_err(Error::Unknown)?;
    let mut has_field = false;
    let mut plain = String::new();
    let mut escaped = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) => {
                plain += text;
                escaped += &text.replace('$', "$$");
            }
            Piece::Field(path) => {
                has_field = true;
                escaped += &["$(", &fields.variable(path), ")"].concat();
            }
        }
    }
    if escaped.starts_with('/') || escaped.split('/').any(|part| part == "..") {
        return Err(Error::Outside);
    }
    Ok(match (has_field, plain.is_empty()) {
        (true, _) => Folder::Expression(escaped),
        (false, true) => Folder::None,
        (false, false) => Folder::Plain(plain),
    })
}

/// A part of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What the pod has at this field path.
    Field(String),
}

/// Values by name; `Err` has the name of the variable that only the kubelet knows.
type Variables<'a> = BTreeMap<&'a str, Result<Vec<Piece>, String>>;

/// Of two definitions of one name the later holds.
fn variables(container: &Value) -> Variables<'_> {
    let mut variables = Variables::new();
    for variable in items(container.get("env")) {
        let Some(name) = text(variable, "name") else {
            continue;
        };
        let value = value(name, variable, &variables);
        variables.insert(name, value);
    }
    variables
}

fn value(name: &str, variable: &Value, before: &Variables<'_>) -> Result<Vec<Piece>, String> {
    let source = variable.get("valueFrom").filter(|source| !source.is_null());
    let Some(source) = source else {
        return expand(text(variable, "value").unwrap_or_default(), before);
    };
    let field = source.pointer("/fieldRef/fieldPath").and_then(Value::as_str);
    field
        .map(|path| vec![Piece::Field(path.to_owned())])
        .ok_or_else(|| name.to_owned())
}

fn expand(template: &str, variables: &Variables<'_>) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        literal += before;
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            literal.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            let value = variables.get(name).ok_or_else(|| name.to_owned())?;
            pieces.extend(value.clone()?);
            rest = after;
        } else {
            literal.push('$');
        }
    }
    pieces.push(Piece::Text(literal + rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn container() -> Value {
        let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
        json!({"env": [
            {"name": "POD_NAME", "valueFrom": field("metadata.uid")},
            {"name": "SHOP", "value": "shop"},
            {"name": "IP", "valueFrom": field("status.podIP")},
            {"name": "ZONE", "valueFrom": field("metadata.labels['zone']")},
            {"name": "EARLY", "value": "$(LATE)"},
            {"name": "LATE", "value": "$(SHOP)-$(IP)"},
            {"name": "EMPTY"},
            {"name": "PRICE", "value": "$$(SHOP)"},
            {"name": "UP", "value": ".."},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
            {"name": "TWICE", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}},
            {"name": "TWICE", "value": "second"},
        ]})
    }

    #[track_caller]
    fn check(expression: &str, expected: &Result<Folder, Error>) {
        assert_eq!(
            &translate(expression, &container(), &mut Fields::default()),
            expected,
            "{expression}"
        );
    }

    #[test]
    fn literal_values_become_a_plain_folder() {
        let plain = |text: &str| Ok(Folder::Plain(text.to_owned()));
        check("logs", &plain("logs"));
        check("$(SHOP)/logs/$(TWICE)", &plain("shop/logs/second"));
        check("$(EMPTY)x$(EMPTY)", &plain("x"));
        check("$(EMPTY)", &Ok(Folder::None));
    }

    #[test]
    fn fields_of_the_pod_become_variables_of_the_sidecar() {
        let expression = |text: &str| Ok(Folder::Expression(text.to_owned()));
        check("$(POD_NAME)", &expression("$(POD_UID)"));
        check("$(LATE)/x", &expression("shop-$(LOGSHIP_FIELD_0)/x"));
        check(
            "$(IP)/$(ZONE)/$(IP)",
            &expression("$(LOGSHIP_FIELD_0)/$(LOGSHIP_FIELD_1)/$(LOGSHIP_FIELD_0)"),
        );
        let mut fields = Fields::default();
        for expression in ["$(ZONE)", "$(IP)"] {
            translate(expression, &container(), &mut fields).unwrap();
        }
        let asked: Vec<_> = fields.variables().collect();
        let expected = [
            ("LOGSHIP_FIELD_0".to_owned(), "metadata.labels['zone']"),
            ("LOGSHIP_FIELD_1".to_owned(), "status.podIP"),
        ];
        assert_eq!(asked, expected);
    }

    #[test]
    fn dollars_that_are_no_references_stay() {
        let plain = |text: &str| Ok(Folder::Plain(text.to_owned()));
        check("a$b/$$/$(x/$", &plain("a$b/$/$(x/$"));
        check("$(PRICE)", &plain("$(SHOP)"));
        check(
            "$(PRICE)$(IP)",
            &Ok(Folder::Expression("$$(SHOP)$(LOGSHIP_FIELD_0)".to_owned())),
        );
    }

    #[test]
    fn variables_that_only_the_kubelet_knows_are_named() {
        for (expression, name) in [
            ("$(SECRET)", "SECRET"),
            ("x/$(HOME)", "HOME"),
            ("$(EARLY)", "LATE"),
            ("$()", ""),
        ] {
            check(expression, &Err(Error::Unknown(name.to_owned())));
        }
    }

    #[test]
    fn ways_out_of_the_volume_are_refused_as_the_kubelet_does() {
        for expression in ["$(UP)/x", "x/$(UP)", "$(EMPTY)/etc"] {
            check(expression, &Err(Error::Outside));
        }
        check("$(UP).x", &Ok(Folder::Plain("...x".to_owned())));
    }
}
