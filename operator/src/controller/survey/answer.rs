//! A sidecar's answer, which is foreign input: read, found to be of the pod that was asked, and bounded. Pure.
//!
//! Whoever answers can lie about one pod, the one whose address it is, and about nothing else.

use core::net::IpAddr;
use logship_crd::report::{ERROR_BYTES_MAX, ERRORS_MAX, PodName, Report, cut};

/// A pod has a handful of resources; more are passed over.
const RESOURCES_MAX: usize = 64;
/// Bytes of the name of a resource's document.
const NAME_BYTES_MAX: usize = 128;

/// Why it is not known what a sidecar runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::controller) enum Silence {
    /// Nobody took the connection, or not in time.
    Unreachable,
    /// Someone did, and what he answered was no report, or came too late.
    NoReport,
    /// It was the report of another pod.
    Foreign,
}

impl Silence {
    /// For people.
    pub(in crate::controller) fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "there is no connection",
            Self::NoReport => "what answers there gives no report",
            Self::Foreign => "another pod answers there",
        }
    }
}

/// The report in `body`, if it is one of `pod`.
pub(super) fn read(body: &[u8], pod: &PodName) -> Result<Report, Silence> {
    let mut report: Report = serde_json::from_slice(body).map_err(|_| Silence::NoReport)?;
    if report.pod != *pod {
        return Err(Silence::Foreign);
    }
    while report.applied_generations.len() > RESOURCES_MAX {
        report.applied_generations.pop_last();
    }
    report.rejected.truncate(RESOURCES_MAX);
    for rejection in &mut report.rejected {
        if let Some(document) = &mut rejection.document {
            cut(document, NAME_BYTES_MAX);
        }
        // The one more says how many were left out.
        rejection.errors.truncate(ERRORS_MAX + 1);
        for error in &mut rejection.errors {
            *error = error.replace(|c: char| c.is_control() && c != '\n', " ");
            cut(error, ERROR_BYTES_MAX);
        }
    }
    Ok(report)
}

/// Whether a pod can have this address. It is in the pod's status, which more accounts than the kubelet's may be able to write.
pub(super) fn is_of_a_pod(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.to_ipv4_mapped().is_some(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn pod() -> PodName {
        PodName {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
        }
    }

    fn read_json(answer: &Value) -> Result<Report, Silence> {
        read(answer.to_string().as_bytes(), &pod())
    }

    fn own(more: &Value) -> Value {
        let mut answer = json!({"pod": {"namespace": "shop", "name": "web-0"}});
        json_patch::merge(&mut answer, more);
        answer
    }

    #[test]
    fn only_the_pod_that_was_asked_is_believed() {
        let report = read_json(&own(&json!({"appliedGenerations": {"shop": 3}}))).unwrap();
        assert_eq!(report.applied_generations["shop"], 3);
        for other in [
            json!({}),
            json!({"pod": {"namespace": "shop", "name": "web-1"}}),
            json!({"pod": {"namespace": "bank", "name": "web-0"}}),
        ] {
            assert_eq!(read_json(&other), Err(Silence::Foreign), "{other}");
        }
        for other in [json!(3), json!("ok"), json!({"appliedGenerations": 3})] {
            assert_eq!(read_json(&other), Err(Silence::NoReport), "{other}");
        }
        assert_eq!(read(b"<html>", &pod()), Err(Silence::NoReport));
    }

    #[test]
    fn lists_and_texts_are_cut_and_cannot_write_to_a_terminal() {
        let many: Vec<Value> = (0..1000)
            .map(
                |i| json!({"document": "d".repeat(1000), "errors": vec![format!("{i}\u{1b}[31m\u{7}\n{}", "x".repeat(5000)); 100]}),
            )
            .collect();
        let generations: serde_json::Map<String, Value> =
            (0..1000).map(|i| (format!("r{i}"), json!(i))).collect();
        let report = read_json(&own(
            &json!({"rejected": many, "appliedGenerations": generations}),
        ))
        .unwrap();
        assert_eq!(report.applied_generations.len(), RESOURCES_MAX);
        assert_eq!(report.rejected.len(), RESOURCES_MAX);
        let first = &report.rejected[0];
        assert!(first.document.as_ref().unwrap().len() <= NAME_BYTES_MAX);
        assert_eq!(first.errors.len(), ERRORS_MAX + 1);
        assert!(first.errors[0].len() <= ERROR_BYTES_MAX);
        assert!(
            first.errors[0].starts_with("0 [31m \nxx"),
            "{:?}",
            &first.errors[0][..20]
        );
    }

    #[test]
    fn nobody_is_asked_at_an_address_that_no_pod_has() {
        let check = |address: &str, expected: bool| {
            assert_eq!(is_of_a_pod(address.parse().unwrap()), expected, "{address}");
        };
        check("10.244.0.7", true);
        check("fd00::7", true);
        for other in [
            "127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:127.0.0.1",
        ] {
            check(other, false);
        }
    }

    proptest! {
        /// Whatever is answered: there is no panic, and what is kept is bounded.
        #[test]
        fn any_answer_is_bounded(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(report) = read(&body, &pod()) {
                prop_assert!(report.rejected.len() <= RESOURCES_MAX);
            }
        }
    }
}
