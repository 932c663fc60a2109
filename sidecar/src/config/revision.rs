//! What a change of the documents means for the pipelines that run. Pure.
//!
//! Guarantees: a document with a mistake changes nothing, what it said before stays, and the other documents are not held up by it; a
//! pipeline whose document says the same is not touched.

use super::document_text::Document;
use super::{Config, Mistakes, Pipeline};
use logship_crd::agent_config::AgentConfig;
pub use logship_crd::report::Rejection;

/// Documents by the names of their files.
pub type Documents = Vec<(String, String)>;

/// What is to run from now on.
#[derive(Debug)]
pub struct Revision {
    /// None: as before.
    pub config: Option<Config>,
    /// The documents that it is made of.
    pub accepted: Documents,
    /// What is not taken.
    pub rejected: Vec<Rejection>,
}

/// What is to be done for one pipeline.
#[derive(Debug)]
pub enum Change {
    /// It is new.
    Start(Pipeline),
    /// It is another from now on.
    Replace(Pipeline),
    /// It stays as it is, under another generation of its resource.
    Renumber {
        /// Which.
        name: String,
        /// The new one.
        generation: i64,
    },
    /// It is no more.
    Remove(String),
}

/// Judges the documents that were found after the ones that were accepted before. `compile` is how they are read at the start.
pub fn revise(
    before: &Documents,
    found: Documents,
    compile: impl Fn(&Documents) -> Result<Config, Mistakes>,
) -> Revision {
    if let Ok(config) = compile(&found) {
        return Revision {
            config: Some(config),
            accepted: found,
            rejected: Vec::new(),
        };
    }
    let (mut accepted, mut rejected) = (Documents::new(), Vec::new());
    for (name, text) in found {
        let alone = vec![(name.clone(), text)];
        let Err(mistakes) = compile(&alone) else {
            accepted.extend(alone);
            continue;
        };
        rejected.push(Rejection {
            generation: generation(&alone[0].1),
            ..rejection(Some(name.clone()), &mistakes)
        });
        accepted.extend(before.iter().find(|(known, _)| *known == name).cloned());
    }
    match compile(&accepted) {
        Ok(config) => Revision {
            config: Some(config),
            accepted,
            rejected,
        },
        // Each is right by itself, but not beside the others.
        Err(mistakes) => {
            rejected.push(rejection(None, &mistakes));
            Revision {
                config: None,
                accepted: before.clone(),
                rejected,
            }
        }
    }
}

/// What leads from the pipelines that run to those that are wanted.
pub fn changes(running: &[&Pipeline], wanted: Vec<Pipeline>) -> Vec<Change> {
    let is_wanted = |name: &str| wanted.iter().any(|pipeline| pipeline.name == name);
    let removed = running.iter().filter(|pipeline| !is_wanted(&pipeline.name));
    let mut changes: Vec<Change> = removed
        .map(|pipeline| Change::Remove(pipeline.name.clone()))
        .collect();
    changes.extend(wanted.into_iter().filter_map(|pipeline| {
        match running.iter().find(|old| old.name == pipeline.name) {
            None => Some(Change::Start(pipeline)),
            Some(old) if !is_same(old, &pipeline) => Some(Change::Replace(pipeline)),
            Some(old) if old.generation != pipeline.generation => Some(Change::Renumber {
                name: pipeline.name,
                generation: pipeline.generation,
            }),
            Some(_) => None,
        }
    }));
    changes
}

/// Of one document, or of all together.
fn rejection(document: Option<String>, mistakes: &Mistakes) -> Rejection {
    Rejection {
        document,
        generation: None,
        errors: mistakes.0.iter().map(ToString::to_string).collect(),
    }
}

/// Whether the documents say the same, but for the generation.
fn is_same(old: &Pipeline, new: &Pipeline) -> bool {
    let (Some(old), Some(new)) = (&old.written, &new.written) else {
        return false;
    };
    let AgentConfig {
        version,
        name,
        generation: _,
        sources,
        pipeline,
        sinks,
        drain_ms,
        limits,
    } = &**old;
    *version == new.version
        && *name == new.name
        && *sources == new.sources
        && *pipeline == new.pipeline
        && *sinks == new.sinks
        && *drain_ms == new.drain_ms
        && *limits == new.limits
}

/// What a document with mistakes says of its generation.
fn generation(text: &str) -> Option<i64> {
    Document::read(text).ok()?.value.get("generation")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, from_documents};
    use proptest::prelude::*;
    use std::path::Path;

    fn compile(documents: &Documents) -> Result<Config, Mistakes> {
        from_documents(&Environment::new(), documents, Path::new("/state"))
    }

    fn document(name: &str, generation: i64, pattern: &str) -> (String, String) {
        let text = format!(
            "version: 1\nname: {name}\ngeneration: {generation}\nsources:\n- name: a\n  files: {{directory: /a, pattern: '{pattern}'}}\nsinks:\n- name: out\n  stdout: {{}}\n"
        );
        (format!("{name}.json"), text)
    }

    fn pipelines(documents: &[(String, String)]) -> Vec<Pipeline> {
        compile(&documents.to_vec()).unwrap().pipelines
    }

    /// What is done, in short.
    fn plan(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
        let before = pipelines(before);
        let running: Vec<&Pipeline> = before.iter().collect();
        let said = |change| match change {
            Change::Start(pipeline) => format!("start {}", pipeline.name),
            Change::Replace(pipeline) => format!("replace {}", pipeline.name),
            Change::Renumber { name, generation } => format!("renumber {name} {generation}"),
            Change::Remove(name) => format!("remove {name}"),
        };
        changes(&running, pipelines(after))
            .into_iter()
            .map(said)
            .collect()
    }

    #[test]
    fn only_pipelines_that_differ_are_changed() {
        let [a, b, c] = ["a", "b", "c"].map(|name| document(name, 1, ".+"));
        let check = |after: &[(String, String)], expected: &[&str]| {
            assert_eq!(plan(&[a.clone(), b.clone()], after), expected);
        };
        check(&[a.clone(), b.clone()], &[]);
        check(&[b.clone(), a.clone()], &[]);
        check(&[document("a", 2, ".+"), b.clone()], &["renumber a 2"]);
        check(&[document("a", 2, "x"), b.clone()], &["replace a"]);
        check(&[b.clone(), c], &["remove a", "start c"]);
        check(&[], &["remove a", "remove b"]);
    }

    #[test]
    fn words_that_say_the_same_change_nothing() {
        let (name, text) = document("a", 1, ".+");
        let other = text.replace(
            "sinks:\n- name: out\n  stdout: {}",
            "# the same\nsinks: [{stdout: {}, name: out}]",
        );
        assert_ne!(text, other);
        assert!(plan(&[(name.clone(), text)], &[(name, other)]).is_empty());
    }

    #[test]
    fn document_with_mistakes_keeps_the_old_one_and_does_not_hold_up_the_others() {
        let before = vec![document("a", 1, ".+"), document("b", 1, ".+")];
        let found = vec![
            document("a", 2, "("),
            document("b", 2, "x"),
            document("c", 1, ")"),
        ];
        let Revision {
            config,
            accepted,
            rejected,
        } = revise(&before, found, compile);
        assert_eq!(accepted, [before[0].clone(), document("b", 2, "x")]);
        assert_eq!(config.unwrap().pipelines.len(), 2);
        let said: Vec<_> = rejected
            .iter()
            .map(|rejection| (rejection.document.as_deref().unwrap(), rejection.generation))
            .collect();
        assert_eq!(said, [("a.json", Some(2)), ("c.json", Some(1))]);
        let error = &rejected[0].errors[0];
        assert!(error.starts_with("a.json:6:"), "{error}");
    }

    #[test]
    fn documents_that_are_wrong_only_together_change_nothing() {
        let before = vec![document("a", 1, ".+")];
        let twin = ("twin.json".to_owned(), document("a", 1, "x").1);
        let revision = revise(&before, vec![before[0].clone(), twin], compile);
        assert!(revision.config.is_none());
        assert_eq!(revision.accepted, before);
        assert!(revision.rejected[0].errors[0].contains("used twice"));
    }

    proptest! {
        /// Whatever was there and whatever is wanted: doing what is planned leaves what is wanted, and nothing is done to what stays.
        #[test]
        fn planned_changes_lead_to_what_is_wanted(
            before in proptest::collection::btree_map("[a-d]", (1i64..3, "[xy]"), 0..4),
            after in proptest::collection::btree_map("[a-d]", (1i64..3, "[xy]"), 0..4),
        ) {
            let documents = |all: &std::collections::BTreeMap<String, (i64, String)>| -> Vec<_> {
                all.iter().map(|(name, (generation, pattern))| document(name, *generation, pattern)).collect()
            };
            let before_pipelines = pipelines(&documents(&before));
            let running: Vec<&Pipeline> = before_pipelines.iter().collect();
            let mut now = before.clone();
            for change in changes(&running, pipelines(&documents(&after))) {
                match change {
                    Change::Start(new) => prop_assert!(now.insert(new.name.clone(), after[&new.name].clone()).is_none()),
                    Change::Replace(new) => {
                        let old = now.insert(new.name.clone(), after[&new.name].clone()).unwrap();
                        prop_assert_ne!(old.1, after[&new.name].1.clone());
                    }
                    Change::Renumber { name, generation } => now.get_mut(&name).unwrap().0 = generation,
                    Change::Remove(name) => prop_assert!(now.remove(&name).is_some()),
                }
            }
            prop_assert_eq!(now, after);
        }
    }
}
