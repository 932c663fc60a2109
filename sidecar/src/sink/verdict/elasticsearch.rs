//! What the answers of `_bulk` mean. The status of the answer is about the request; with 200 each record has a status of its own.

use super::{Failure, Verdict, for_people, http};
use crate::sink::answer::Answer;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Failures of a record that speak about the cluster or the configuration, whatever their status: the record waits.
const NOT_ABOUT_THE_RECORD: [&str; 3] = [
    "cluster_block_exception",
    "index_not_found_exception",
    "security_exception",
];

/// The verdict for an answer to so many records.
pub fn verdict(answer: &Answer, records: usize) -> Verdict {
    if answer.status != 200 {
        return http::verdict(answer);
    }
    let after = http::after(answer);
    let BulkAnswer { items } = match serde_json::from_slice(&answer.body) {
        Ok(bulk) => bulk,
        Err(error) => {
            let error = format!("the answer is not one of the bulk API, or torn: {error}");
            return Verdict::Retry { after, error };
        }
    };
    let Items {
        count,
        failures,
        error,
    } = items;
    match error {
        _ if count != records => Verdict::Retry {
            after,
            error: format!("the answer speaks about {count} records instead of {records}"),
        },
        None => Verdict::Delivered,
        Some(error) => Verdict::Partly {
            failures,
            after,
            error,
        },
    }
}

/// As much of the answer as counts; no tree is built of the rest.
#[derive(Deserialize)]
struct BulkAnswer {
    items: Items,
}

/// What became of the records; of those that were taken over only their number.
#[derive(Default)]
struct Items {
    count: usize,
    failures: Vec<(usize, Failure)>,
    /// Of the first failure.
    error: Option<String>,
}

/// `{"create": {"status": 201}}`.
struct Item<'a>(Outcome<'a>);

#[derive(Deserialize)]
struct Outcome<'a> {
    status: u16,
    #[serde(borrow, default)]
    error: Option<Cause<'a>>,
}

#[derive(Deserialize)]
struct Cause<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

impl Cause<'_> {
    const UNKNOWN: Self = Self {
        r#type: None,
        reason: None,
    };
}

impl Outcome<'_> {
    /// Why the record was not taken over, for people, and what follows; none if it was. A conflict means that it is there already.
    fn failure(&self) -> Option<(Failure, String)> {
        if matches!(self.status, 200..=299 | 409) {
            return None;
        }
        let Cause { r#type, reason } = self.error.as_ref().unwrap_or(&Cause::UNKNOWN);
        let kind = r#type.as_deref().unwrap_or_default();
        let reason = reason.as_deref().unwrap_or_default();
        let status = format!("status {}", self.status);
        let parts = [&status, kind, reason]
            .into_iter()
            .filter(|part| !part.is_empty());
        let reason = for_people(parts.collect::<Vec<_>>().join(": ").as_bytes());
        let may_pass = matches!(self.status, 429 | 500..) || NOT_ABOUT_THE_RECORD.contains(&kind);
        let failure = if may_pass {
            Failure::Retry
        } else {
            Failure::Rejected(reason.clone())
        };
        Some((failure, reason))
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;
        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Items;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the outcome of each record")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Items, A::Error> {
                let mut items = Items::default();
                while let Some(Item(outcome)) = sequence.next_element()? {
                    if let Some((failure, reason)) = outcome.failure() {
                        items.failures.push((items.count, failure));
                        items.error.get_or_insert(reason);
                    }
                    items.count += 1;
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an action with its outcome")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item<'de>, A::Error> {
                let (_, outcome) = map
                    .next_entry::<IgnoredAny, _>()?
                    .ok_or_else(|| A::Error::missing_field("create"))?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Item(outcome))
            }
        }
        deserializer.deserialize_map(ItemVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::verdict::testing::{answer, kind};
    use proptest::prelude::*;
    use std::time::Duration;

    fn item(status: u16, kind: &str) -> String {
        let error =
            format!(r#","error":{{"type":"{kind}","reason":"a \"b\"\n c","caused_by":{{"type":"x"}}}}"#);
        let error = if kind.is_empty() { String::new() } else { error };
        format!(r#"{{"create":{{"_index":"i","status":{status}{error}}}}}"#)
    }

    fn body(items: &[String]) -> String {
        format!(
            r#"{{"took":3,"errors":true,"items":[{}],"ingest_took":0}}"#,
            items.join(",")
        )
    }

    fn failure(item: String) -> Option<Failure> {
        match verdict(&answer(200, &[], body(&[item]).as_bytes()), 1) {
            Verdict::Delivered => None,
            Verdict::Partly { mut failures, .. } => failures.pop().map(|(_, failure)| failure),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn items_of_all_kinds_in_one_answer_each_have_their_fate() {
        let body = body(&[
            item(201, ""),
            item(400, "document_parsing_exception"),
            item(409, "version_conflict_engine_exception"),
            item(429, "es_rejected_execution_exception"),
            item(200, ""),
            item(500, ""),
        ]);
        let reason = "status 400: document_parsing_exception: a \"b\" c".to_owned();
        let expected = Verdict::Partly {
            failures: vec![
                (1, Failure::Rejected(reason.clone())),
                (3, Failure::Retry),
                (5, Failure::Retry),
            ],
            after: Some(Duration::from_secs(2)),
            error: reason,
        };
        assert_eq!(
            verdict(&answer(200, &[("retry-after", "2")], body.as_bytes()), 6),
            expected
        );
    }

    #[test]
    fn statuses_of_items_decide() {
        for (status, kind, expected) in [
            (200, "", "delivered"),
            (201, "", "delivered"),
            (409, "version_conflict_engine_exception", "delivered"),
            (429, "", "retry"),
            (500, "", "retry"),
            (503, "unavailable_shards_exception", "retry"),
            (400, "mapper_parsing_exception", "rejected"),
            (413, "", "rejected"),
            (404, "other", "rejected"),
            (403, "cluster_block_exception", "retry"),
            (404, "index_not_found_exception", "retry"),
            (403, "security_exception", "retry"),
        ] {
            let found = match failure(item(status, kind)) {
                None => "delivered",
                Some(Failure::Retry) => "retry",
                Some(Failure::Rejected(_)) => "rejected",
            };
            assert_eq!(found, expected, "{status} {kind}");
        }
    }

    #[test]
    fn smallest_answer_that_says_all_is_understood() {
        let body = br#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#;
        assert_eq!(verdict(&answer(200, &[], body), 2), Verdict::Delivered);
    }

    #[test]
    fn answers_that_do_not_speak_about_each_record_are_no_delivery() {
        let whole = body(&[item(201, ""), item(201, "")]);
        for (body, records) in [
            (whole.as_str(), 3),
            (whole.as_str(), 1),
            (&whole[..whole.len() - 1], 2),
            ("", 1),
            ("{}", 1),
            ("null", 1),
            (r#"{"errors":false}"#, 1),
            (r#"{"items":[{}]}"#, 1),
            (r#"{"items":[{"create":{}}]}"#, 1),
            ("<html>ok</html>", 1),
        ] {
            let verdict = verdict(&answer(200, &[], body.as_bytes()), records);
            assert_eq!(kind(&verdict), "retry", "{body}");
        }
    }

    #[test]
    fn statuses_of_the_request_decide_about_all() {
        for (status, expected) in [
            (302, "retry"),
            (400, "refused"),
            (401, "retry"),
            (403, "retry"),
            (404, "retry"),
            (413, "refused"),
            (429, "retry"),
            (503, "retry"),
        ] {
            let verdict = verdict(&answer(status, &[], b"{}"), 1);
            assert_eq!(kind(&verdict), expected, "{status}");
        }
    }

    #[test]
    fn reasons_are_bounded() {
        match failure(item(400, &"x".repeat(100_000))) {
            Some(Failure::Rejected(reason)) => assert!(reason.len() < 1000, "{}", reason.len()),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        /// The failures are exactly the records that were not taken over, by ascending number.
        #[test]
        fn failures_are_those_of_the_items(statuses in proptest::collection::vec(prop_oneof![Just(200u16), Just(201), Just(409), Just(429), Just(400), Just(500)], 1..50)) {
            let items: Vec<String> = statuses.iter().map(|&status| item(status, "")).collect();
            let failed: Vec<usize> = (0..statuses.len()).filter(|&index| !matches!(statuses[index], 200 | 201 | 409)).collect();
            let found = match verdict(&answer(200, &[], body(&items).as_bytes()), statuses.len()) {
                Verdict::Delivered => Vec::new(),
                Verdict::Partly { failures, .. } => failures.into_iter().map(|(number, _)| number).collect(),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(found, failed);
        }
    }
}
