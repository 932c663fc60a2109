//! Resource requests and limits of the sidecar: combined over resources, and completed so that the API server takes them.

use super::pod::Pod;
use logship_crd::v1alpha1::ResourceRequirements;
use serde_json::Value;
use std::collections::BTreeMap;

/// Limit on the cpu in a pod where every other container has one.
const CPU_LIMIT: &str = "100m";
const STORAGE: &str = "ephemeral-storage";
const NAMES: [&str; 3] = ["cpu", "memory", STORAGE];
/// For the sidecar's own output, of which the kubelet keeps 50 MiB by default.
const OUTPUT_BYTES: u64 = 64 << 20;
/// So that its limit does not count as its request: what it keeps in an outage is not to be reserved.
const STORAGE_REQUEST: &str = "1Mi";

type Quantities = BTreeMap<String, String>;

/// Parses the value of the annotation `logship.dev/resources`; the error says what would be right.
pub(super) fn parse(json: &str) -> Result<ResourceRequirements, String> {
    const REMEDY: &str =
        r#"write JSON such as {"requests":{"cpu":"5m","memory":"16Mi"},"limits":{"memory":"64Mi"}}"#;
    let fields: BTreeMap<String, Quantities> = serde_json::from_str(json).map_err(|_| REMEDY.to_owned())?;
    if let Some(field) = fields
        .keys()
        .find(|field| !["requests", "limits"].contains(&field.as_str()))
    {
        return Err(format!("{field:?} is neither requests nor limits; {REMEDY}"));
    }
    for (name, value) in fields.values().flatten() {
        if !NAMES.contains(&name.as_str()) {
            return Err(format!("{name:?} is none of {}", NAMES.join(", ")));
        }
        if quantity(value).is_none_or(|amount| amount < 0.0) {
            return Err(format!(
                "{value:?} of {name} is not a quantity such as 5m or 16Mi"
            ));
        }
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    Ok(ResourceRequirements {
        requests: field("requests"),
        limits: field("limits"),
    })
}

/// What several resources need together: the greatest request and limit of each kind. One that sets no limit wants none,
/// so a kind is limited only if all of them limit it.
pub(super) fn combined<'a>(all: impl IntoIterator<Item = &'a ResourceRequirements>) -> ResourceRequirements {
    all.into_iter()
        .map(completed)
        .reduce(|mut sum, next| {
            sum.limits = greatest_of_both(sum.limits, &next.limits);
            raise(&mut sum.requests, next.requests);
            sum
        })
        .unwrap_or_else(|| completed(&ResourceRequirements::default()))
}

/// Sets what is missing (cpu and memory requests, a memory limit) and lowers a request above its limit, because the API server
/// would refuse the pod.
pub(super) fn completed(given: &ResourceRequirements) -> ResourceRequirements {
    let defaults = ResourceRequirements::default();
    let mut requests = given.requests.clone();
    for (name, value) in defaults.requests {
        requests.entry(name).or_insert(value);
    }
    let mut limits = given.limits.clone();
    if !limits.contains_key("memory") {
        limits.extend(defaults.limits);
        let asked = given
            .requests
            .get_key_value("memory")
            .map(|(name, value)| (name.clone(), value.clone()));
        raise(&mut limits, asked);
    }
    for (name, limit) in &limits {
        if let Some(request) = requests
            .get_mut(name)
            .filter(|request| amount(request) > amount(limit))
        {
            request.clone_from(limit);
        }
    }
    ResourceRequirements { requests, limits }
}

/// Where a container of the pod limits the storage of the node that it uses, the sum of such limits is that of the whole pod, and what the
/// sidecar keeps counts against it: without a share of its own the kubelet would evict the pod for it.
pub(super) fn with_storage(
    mut own: ResourceRequirements,
    pod: Pod<'_>,
    state_bytes: Option<u64>,
) -> ResourceRequirements {
    let is_limited = |container: &Value| quantity_at(container, "limits", STORAGE).is_some();
    let is_pod_limited = pod.all_containers().any(|(_, container)| is_limited(container));
    if is_pod_limited && !own.limits.contains_key(STORAGE) {
        let bytes = state_bytes.unwrap_or_default().saturating_add(OUTPUT_BYTES);
        own.limits.insert(STORAGE.to_owned(), bytes.to_string());
        let request = own.requests.entry(STORAGE.to_owned());
        request.or_insert_with(|| STORAGE_REQUEST.to_owned());
    }
    own
}

/// Sets what every container of the pod has: a cpu limit, because a ResourceQuota on it refuses a pod with a container that has
/// none; and requests that equal limits, because the pod would not be of class Guaranteed any more.
pub(super) fn fitted(mut own: ResourceRequirements, pod: Pod<'_>) -> ResourceRequirements {
    if !pod
        .all_containers()
        .all(|(_, container)| has_cpu_limit(container))
    {
        return own;
    }
    if !own.limits.contains_key("cpu") {
        own.limits.insert("cpu".to_owned(), CPU_LIMIT.to_owned());
        let asked = own.requests.get_key_value("cpu");
        raise(
            &mut own.limits,
            asked.map(|(name, value)| (name.clone(), value.clone())),
        );
    }
    if pod
        .all_containers()
        .all(|(_, container)| is_guaranteed(container))
    {
        for name in ["cpu", "memory"] {
            if let Some(limit) = own.limits.get(name) {
                own.requests.insert(name.to_owned(), limit.clone());
            }
        }
    }
    own
}

fn has_cpu_limit(container: &Value) -> bool {
    quantity_at(container, "limits", "cpu").is_some()
}

/// Whether it has limits of cpu and memory, and requests that equal them; a request that is absent does.
fn is_guaranteed(container: &Value) -> bool {
    ["cpu", "memory"].into_iter().all(|name| {
        let limit = quantity_at(container, "limits", name);
        let request = quantity_at(container, "requests", name);
        limit.is_some() && (request.is_none() || request == limit)
    })
}

fn quantity_at(container: &Value, kind: &str, name: &str) -> Option<f64> {
    quantity(container.get("resources")?.get(kind)?.get(name)?.as_str()?)
}

fn greatest_of_both(left: Quantities, right: &Quantities) -> Quantities {
    let greatest = |(name, value): (String, String)| {
        let other = right.get(&name)?;
        let greater = if amount(other) > amount(&value) {
            other.clone()
        } else {
            value
        };
        Some((name, greater))
    };
    left.into_iter().filter_map(greatest).collect()
}

/// Raises each quantity to that of `others`, where that is greater.
fn raise(quantities: &mut Quantities, others: impl IntoIterator<Item = (String, String)>) {
    for (name, value) in others {
        match quantities.get_mut(&name) {
            Some(old) if amount(old) >= amount(&value) => {}
            Some(old) => *old = value,
            None => drop(quantities.insert(name, value)),
        }
    }
}

/// The value of a quantity that the API server has checked.
pub(crate) fn amount(text: &str) -> f64 {
    quantity(text).unwrap_or_default()
}

/// The value of a Kubernetes quantity (`resource.Quantity`: a decimal number with a binary, decimal or exponent suffix), exact
/// enough to compare two of them.
fn quantity(text: &str) -> Option<f64> {
    let (number, suffix) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 2f64.powi(10),
        "Mi" => 2f64.powi(20),
        "Gi" => 2f64.powi(30),
        "Ti" => 2f64.powi(40),
        "Pi" => 2f64.powi(50),
        "Ei" => 2f64.powi(60),
        _ => 10f64.powi(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> ResourceRequirements {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        ResourceRequirements {
            requests: map(requests),
            limits: map(limits),
        }
    }

    #[test]
    fn requests_and_a_memory_limit_are_always_set_and_fit() {
        let check = |given, expected| assert_eq!(completed(&given), expected);
        let usual = requirements(&[("cpu", "5m"), ("memory", "16Mi")], &[("memory", "64Mi")]);
        check(requirements(&[], &[]), usual);
        check(
            requirements(&[("memory", "128Mi")], &[]),
            requirements(&[("cpu", "5m"), ("memory", "128Mi")], &[("memory", "128Mi")]),
        );
        check(
            requirements(&[("cpu", "2")], &[("cpu", "500m"), ("memory", "8Mi")]),
            requirements(
                &[("cpu", "500m"), ("memory", "8Mi")],
                &[("cpu", "500m"), ("memory", "8Mi")],
            ),
        );
    }

    #[test]
    fn several_resources_get_the_greatest_of_each_kind_and_no_limit_that_one_does_not_want() {
        let small = requirements(
            &[("cpu", "5m"), ("memory", "1Gi")],
            &[("cpu", "1"), ("memory", "2Gi")],
        );
        let other = requirements(&[("cpu", "0.01"), ("memory", "1000Mi")], &[("memory", "1Gi")]);
        let expected = requirements(&[("cpu", "0.01"), ("memory", "1Gi")], &[("memory", "2Gi")]);
        assert_eq!(combined([&small, &other]), expected);
        assert_eq!(combined([&other, &small]), expected);
    }

    #[test]
    fn an_annotation_holds_quantities_of_known_resources() {
        assert_eq!(
            parse(r#"{"limits":{"memory":"1e8"}}"#),
            Ok(requirements(&[], &[("memory", "1e8")]))
        );
        for bad in [
            "",
            "64Mi",
            r#"{"limit":{}}"#,
            r#"{"limits":{"memory":64}}"#,
            r#"{"limits":{"memory":"64MB"}}"#,
            r#"{"limits":{"memory":"-1"}}"#,
            r#"{"limits":{"memory":"inf"}}"#,
            r#"{"limits":{"gpu":"1"}}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
