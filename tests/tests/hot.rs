//! Hot configuration on the real cluster: what changes while pods run reaches them without a restart, nothing is lost or doubled across
//! the change, and the status says which pods run what, and who refuses it and why.
//!
//! A change is brought by the kubelet when it looks at the pod's volumes, here within fifteen seconds (`syncFrequency: 10s`). All but the
//! first change hasten it as a user may, by an annotation on the pods.

#[path = "hot/blocked.rs"]
mod blocked;
#[path = "hot/change.rs"]
mod change;
#[path = "hot/secrets.rs"]
mod secrets;
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the tests of the sidecar, which use the rest"
)]
#[path = "../../sidecar/tests/run/tls.rs"]
mod tls;
#[path = "hot/writers.rs"]
mod writers;
