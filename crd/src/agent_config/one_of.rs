//! Objects of which one member says the kind: `{"name": "a", "stdout": {}}`.
//!
//! serde's `flatten` would take any misspelled member in silence. So such an object is read as one with a member for each kind, where
//! unknown members are errors, and has to have exactly one of them.

/// Declares the form in which such an object is read, and how it becomes the object itself.
macro_rules! one_of {
    (
        $(#[$doc:meta])*
        $document:ident => $object:ident {
            $($(#[$attribute:meta])* $common:ident: $type:ty,)*
        } $kind:ident {
            $($(#[$kind_doc:meta])* $member:ident: $variant:ident($settings:ty),)*
        }
    ) => {
        $(#[$doc])*
        #[derive(serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct $document {
            $($(#[$attribute])* $common: $type,)*
            $($(#[$kind_doc])* #[serde(default)] $member: Option<$settings>,)*
        }

        impl TryFrom<$document> for $object {
            type Error = String;

            fn try_from(document: $document) -> Result<Self, String> {
                let mut kinds = Vec::new();
                $(kinds.extend(document.$member.map($kind::$variant));)*
                let found = kinds.len();
                let (Some(kind), 1) = (kinds.pop(), found) else {
                    let known = [$(stringify!($member)),*].map(super::one_of::camel_case).join(", ");
                    return Err(format!("{found} kinds where one is needed: {known}"));
                };
                Ok(Self { $($common: document.$common,)* kind })
            }
        }
    };
}

pub(super) use one_of;

/// As serde renames it.
pub(super) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut renamed = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        renamed.push_str(&first.to_ascii_uppercase());
        renamed.push_str(rest);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use crate::agent_config::{Sink, Source, Step};

    fn refuses<T: serde::de::DeserializeOwned + std::fmt::Debug>(text: &str, expected: &str) {
        let error = serde_json::from_str::<T>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }

    #[test]
    fn misspelled_members_beside_the_kind_are_refused() {
        refuses::<Source>(
            r#"{"name":"a","containerOutput":{},"fils":{}}"#,
            "unknown field `fils`",
        );
        refuses::<Sink>(
            r#"{"name":"a","stdout":{},"batchh":{}}"#,
            "unknown field `batchh`",
        );
        refuses::<Step>(r#"{"source":[],"severity":{}}"#, "unknown field `source`");
    }

    #[test]
    fn exactly_one_kind_is_needed_and_the_known_ones_are_named() {
        refuses::<Source>(
            r#"{"name":"a"}"#,
            "0 kinds where one is needed: files, containerOutput",
        );
        refuses::<Step>(
            r#"{"severity":{},"rateLimit":{"perSecond":1}}"#,
            "2 kinds where one is needed",
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"{"name":"a","containerOutput":{"containers":["b"],"spill":{"maxBytes":0}}}"#;
        let source: Source = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), text);
        let text = r#"{"sources":["a"],"rateLimit":{"perSecond":1}}"#;
        let step: Step = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&step).unwrap(), text);
    }
}
