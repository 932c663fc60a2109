//! Which of the resources that select a pod are served in it, and which are left out because they cannot be. Pure.
//!
//! Each resource is an independent pipeline, so the mistake of one costs no other. Of two that cannot be had in one pod the older is
//! served, because one that comes later must not take anything from those that work; of equally old ones the first by name. What was
//! decided is written into the pod: from there the status of both resources tells it for as long as the pod lives.

use super::Skip;
use crate::policies::Policy;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// More are left out without being written down.
const WRITTEN_MAX: usize = 20;
/// A longer list was not written by injection.
const WRITTEN_BYTES_MAX: usize = 64 << 10;
/// A longer reason is cut, in characters.
const MESSAGE_CHARS_MAX: usize = 512;

/// A resource that selects a pod and is not served in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub resource: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, for a person.
    pub message: String,
    /// The resource that is served in its place, where both cannot be had in one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rival: Option<String>,
}

impl LeftOut {
    /// What the person who creates the pod is told.
    pub(super) fn warning(&self) -> String {
        let Self {
            resource,
            reason: _,
            message,
            rival,
        } = self;
        let cause = rival
            .as_ref()
            .map(|rival| format!(" in favour of {rival}, which came first"))
            .unwrap_or_default();
        format!("LogShipping {resource} is left out of this pod{cause}: {message}")
    }
}

/// What `attempt` makes of as many of the `policies` as can be had together, and which were left out.
///
/// # Errors
/// When none can be served: why the oldest cannot.
pub(super) fn choose<'a, T>(
    policies: &[&'a Arc<Policy>],
    attempt: impl Fn(&[&'a Arc<Policy>]) -> Result<T, Skip>,
) -> Result<(T, Vec<LeftOut>), Skip> {
    let refused = match attempt(policies) {
        // Nearly always; nobody's age matters.
        Ok(made) => return Ok((made, Vec::new())),
        Err(skip) => skip,
    };
    if policies.len() < 2 {
        return Err(refused);
    }
    let mut by_age = policies.to_vec();
    by_age.sort_by_key(|policy| policy.seniority());
    let (mut made, mut oldest_refused) = (None, None);
    let (mut served, mut left_out) = (Vec::new(), Vec::new());
    for policy in by_age {
        served.push(policy);
        let skip = match attempt(&served) {
            Ok(more) => {
                made = Some(more);
                continue;
            }
            Err(skip) => skip,
        };
        served.pop();
        if left_out.len() < WRITTEN_MAX {
            left_out.push(LeftOut {
                resource: policy.name.clone(),
                reason: skip.reason.reason().to_owned(),
                message: message(&policy.name, &skip),
                rival: rival(policy, &served, &attempt).map(|rival| rival.name.clone()),
            });
        }
        oldest_refused.get_or_insert(skip);
    }
    made.map(|made| (made, left_out))
        .ok_or_else(|| oldest_refused.unwrap_or(refused))
}

/// Why, to be read beside the resource's name.
fn message(resource: &str, skip: &Skip) -> String {
    let title = format!("LogShipping {resource}, ");
    let text = skip.message.strip_prefix(&title).unwrap_or(&skip.message);
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

/// The served resource that stands against `policy`; none where its own mistake does.
fn rival<'a, T>(
    policy: &'a Arc<Policy>,
    served: &[&'a Arc<Policy>],
    attempt: impl Fn(&[&'a Arc<Policy>]) -> Result<T, Skip>,
) -> Option<&'a Arc<Policy>> {
    attempt(&[policy]).ok()?;
    served
        .iter()
        .copied()
        .find(|older| attempt(&[older, policy]).is_err())
}

/// The value of the annotation, or none where nothing is to be said and nothing else is said there.
pub(super) fn written(left_out: &[LeftOut], before: Option<&str>) -> Option<String> {
    (!left_out.is_empty() || before.is_some())
        .then(|| serde_json::to_string(left_out).expect("texts are valid JSON"))
}

/// What injection wrote into the annotation; nothing, where somebody else did.
pub fn read_left_out(annotation: Option<&str>) -> Vec<LeftOut> {
    annotation
        .filter(|text| text.len() <= WRITTEN_BYTES_MAX)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::SkipReason;
    use crate::policies::Readiness;
    use k8s_openapi::jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    fn policy(name: &str, created: i64) -> Arc<Policy> {
        let spec = json!({"selector": {}, "sources": [], "sinks": []});
        Arc::new(Policy {
            name: name.to_owned(),
            created: Timestamp::from_second(created).ok(),
            spec: serde_json::from_value(spec).unwrap(),
            readiness: Readiness::Ready,
        })
    }

    /// Names that cannot stand together; a name beside itself cannot stand at all.
    type Enmities = [(&'static str, &'static str)];

    fn attempt(enmities: &Enmities, policies: &[&Arc<Policy>]) -> Result<Vec<String>, Skip> {
        let has = |name: &str| policies.iter().any(|policy| policy.name == name);
        match enmities.iter().find(|(one, other)| has(one) && has(other)) {
            Some((one, other)) => Err(Skip::new(SkipReason::Conflict, format!("{one} and {other}"))),
            None => Ok(policies.iter().map(|policy| policy.name.clone()).collect()),
        }
    }

    /// Who is served, and who is left out for whom.
    fn check(ages: &[(&str, i64)], enmities: &Enmities, served: &[&str], left_out: &[(&str, Option<&str>)]) {
        let policies: Vec<_> = ages
            .iter()
            .map(|(name, created)| policy(name, *created))
            .collect();
        let policies: Vec<_> = policies.iter().collect();
        let (names, out) = choose(&policies, |some| attempt(enmities, some)).unwrap();
        let out: Vec<_> = out
            .iter()
            .map(|out| (out.resource.as_str(), out.rival.as_deref()))
            .collect();
        assert_eq!(
            (&names[..], &out[..]),
            (
                &served.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                left_out
            )
        );
    }

    #[test]
    fn the_older_is_served_and_of_equally_old_ones_the_first_by_name() {
        check(&[("a", 1), ("b", 1)], &[], &["a", "b"], &[]);
        check(&[("a", 2), ("b", 1)], &[("a", "b")], &["b"], &[("a", Some("b"))]);
        check(&[("b", 1), ("a", 1)], &[("a", "b")], &["a"], &[("b", Some("a"))]);
    }

    #[test]
    fn a_mistake_of_its_own_has_no_rival_and_costs_no_other() {
        check(
            &[("a", 1), ("b", 2), ("c", 3)],
            &[("a", "a")],
            &["b", "c"],
            &[("a", None)],
        );
    }

    #[test]
    fn who_is_left_out_stands_against_nobody() {
        check(
            &[("a", 1), ("b", 2), ("c", 3)],
            &[("a", "b"), ("b", "c")],
            &["a", "c"],
            &[("b", Some("a"))],
        );
    }

    #[test]
    fn where_none_can_be_served_the_oldest_says_why() {
        let policies = [policy("a", 2), policy("b", 1)];
        let policies: Vec<_> = policies.iter().collect();
        let refused = choose(&policies, |some| attempt(&[("a", "a"), ("b", "b")], some)).unwrap_err();
        assert_eq!(refused.message, "b and b");
    }

    #[test]
    fn the_annotation_is_read_as_it_was_written_and_a_foreign_one_is_none() {
        let left_out = vec![LeftOut {
            resource: "b".to_owned(),
            reason: "Conflict".to_owned(),
            message: "m".to_owned(),
            rival: Some("a".to_owned()),
        }];
        assert_eq!(read_left_out(written(&left_out, None).as_deref()), left_out);
        assert_eq!(written(&[], None), None);
        assert_eq!(written(&[], Some("old")).as_deref(), Some("[]"));
        assert!(read_left_out(Some("old")).is_empty());
        assert!(read_left_out(None).is_empty());
    }

    proptest! {
        /// Whatever stands against whatever: the order in which resources are listed decides nothing, and a resource that comes
        /// later takes nobody's place.
        #[test]
        fn the_choice_is_that_of_age(
            enmities in proptest::collection::vec((0usize..6, 0usize..6), 0..8),
            ages in proptest::collection::vec(0i64..4, 6),
        ) {
            const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
            let enmities: Vec<_> = enmities.into_iter().map(|(one, other)| (NAMES[one], NAMES[other])).collect();
            let policies: Vec<_> = NAMES.iter().zip(ages).map(|(name, age)| policy(name, age)).collect();
            let choice = |policies: &[&Arc<Policy>]| {
                let chosen = choose(policies, |some| attempt(&enmities, some));
                chosen.map(|(mut names, left_out)| { names.sort(); (names, left_out) }).map_err(|skip| skip.message)
            };
            let mut some: Vec<_> = policies.iter().collect();
            let all = choice(&some);
            some.reverse();
            prop_assert_eq!(choice(&some), all.clone());
            some.sort_by_key(|policy| policy.seniority());
            let youngest = some.pop().unwrap().name.clone();
            if let (Ok((before, _)), Ok((after, _))) = (choice(&some), all) {
                let after: Vec<_> = after.into_iter().filter(|name| *name != youngest).collect();
                prop_assert_eq!(after, before);
            }
        }
    }
}
