//! The command line, parsed into values that cannot be wrong. Flags that a Deployment fills from the downward API or
//! that differ by installation can be given by environment as well.

use crate::inject::Settings;
use clap::{Parser, ValueEnum};
use logship_crd::names;
use logship_crd::types::parse_duration;
use std::collections::BTreeSet;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;

/// Reconciles `LogShipping` resources and injects the sidecar into new pods.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "logship-operator", version)]
pub struct Args {
    /// Image of the injected sidecar.
    #[arg(long, env = "LOGSHIP_SIDECAR_IMAGE", value_parser = not_empty)]
    pub sidecar_image: String,

    /// When the kubelet pulls the sidecar's image.
    #[arg(
        long,
        env = "LOGSHIP_SIDECAR_IMAGE_PULL_POLICY",
        value_enum,
        default_value = "IfNotPresent"
    )]
    pub sidecar_image_pull_policy: PullPolicy,

    /// Containers that are never the application, beside the known proxies; separated by commas.
    #[arg(long, env = "LOGSHIP_EXCLUDE_CONTAINERS", value_delimiter = ',')]
    pub exclude_containers: Vec<String>,

    /// Namespaces whose resources are not carried out, beside the operator's own; separated by commas.
    #[arg(
        long,
        env = "LOGSHIP_EXCLUDE_NAMESPACES",
        value_delimiter = ',',
        default_value = "kube-system,kube-node-lease"
    )]
    pub exclude_namespaces: Vec<String>,

    /// The operator's own namespace.
    #[arg(long, env = "POD_NAMESPACE", value_parser = dns_name)]
    pub namespace: String,

    /// The operator's own pod: its identity in the leader election.
    #[arg(long, env = "POD_NAME", value_parser = dns_name)]
    pub pod_name: String,

    /// Service through which the API server reaches the webhook.
    #[arg(long, default_value = "logship-webhook", value_parser = dns_name)]
    pub webhook_service: String,

    /// `MutatingWebhookConfiguration` whose entries trust the operator's authority.
    #[arg(long, default_value = "logship", value_parser = dns_name)]
    pub webhook_config: String,

    /// Secret with the webhook's authority, in the operator's namespace.
    #[arg(long, default_value = "logship-ca", value_parser = dns_name)]
    pub ca_secret: String,

    /// Lease of the leader election, in the operator's namespace.
    #[arg(long, default_value = "logship-operator", value_parser = dns_name)]
    pub lease: String,

    /// Port of the webhook.
    #[arg(long, default_value_t = names::WEBHOOK_PORT)]
    pub webhook_port: u16,

    /// Port of /healthz, /readyz and /metrics.
    #[arg(long, default_value_t = names::OPERATOR_ADMIN_PORT)]
    pub admin_port: u16,

    /// How long a stopping operator goes on serving, while it is taken out of its Service.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub shutdown_grace: Duration,

    /// Least severe messages to log: off, error, warn, info, debug or trace.
    #[arg(long, env = "LOGSHIP_LOG_LEVEL", default_value = "info")]
    pub log_level: LevelFilter,
}

/// `imagePullPolicy` of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum PullPolicy {
    /// At every start.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// The node has it.
    Never,
}

impl Args {
    /// The part that injection depends on. What the nodes allow is learned later.
    pub fn injection(&self) -> Settings {
        let policy = match self.sidecar_image_pull_policy {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        };
        Settings {
            image: self.sidecar_image.clone(),
            image_pull_policy: policy.to_owned(),
            exclude_containers: self
                .exclude_containers
                .iter()
                .filter(|name| !name.is_empty())
                .cloned()
                .collect(),
            nodes_run_native: false,
        }
    }

    /// Namespaces whose resources are not carried out.
    pub fn excluded_namespaces(&self) -> BTreeSet<String> {
        let excluded = self.exclude_namespaces.iter().chain([&self.namespace]);
        excluded.filter(|name| !name.is_empty()).cloned().collect()
    }

    /// The names by which the API server knows the webhook.
    pub fn webhook_names(&self) -> Vec<String> {
        let host = format!("{}.{}.svc", self.webhook_service, self.namespace);
        vec![host.clone(), format!("{host}.cluster.local")]
    }
}

fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("may not be empty")
    } else {
        Ok(text.to_owned())
    }
}

/// The name of a Kubernetes object (RFC 1123).
fn dns_name(text: &str) -> Result<String, &'static str> {
    let ends_well = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    if text.len() <= 253 && text.bytes().all(allowed) && text.split('.').all(ends_well) {
        Ok(text.to_owned())
    } else {
        Err("is not the name of a Kubernetes object: lower-case letters, digits, - and . are allowed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMUM: [&str; 4] = [
        "logship-operator",
        "--sidecar-image=logship:1",
        "--namespace=logship-system",
        "--pod-name=logship-0",
    ];

    fn parse(more: &[&str]) -> Result<Args, String> {
        Args::try_parse_from(MINIMUM.iter().chain(more)).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_fit_the_chart() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.webhook_config, "logship");
        assert_eq!(args.ca_secret, "logship-ca");
        assert_eq!(args.lease, "logship-operator");
        assert_eq!((args.webhook_port, args.admin_port), (9443, 8080));
        assert_eq!(args.shutdown_grace, Duration::from_secs(5));
        assert_eq!(
            args.webhook_names(),
            [
                "logship-webhook.logship-system.svc",
                "logship-webhook.logship-system.svc.cluster.local"
            ]
        );
    }

    #[test]
    fn injection_settings_come_from_the_flags() {
        let args = parse(&[
            "--exclude-containers=proxy,,agent",
            "--sidecar-image-pull-policy=Never",
        ])
        .unwrap();
        assert_eq!(
            args.injection(),
            Settings {
                image: "logship:1".to_owned(),
                image_pull_policy: "Never".to_owned(),
                exclude_containers: vec!["proxy".to_owned(), "agent".to_owned()],
                nodes_run_native: false,
            }
        );
    }

    #[test]
    fn the_own_namespace_is_always_excluded() {
        let check = |more: &[&str], expected: &[&str]| {
            let excluded = parse(more).unwrap().excluded_namespaces();
            assert_eq!(excluded.iter().collect::<Vec<_>>(), expected);
        };
        check(&[], &["kube-node-lease", "kube-system", "logship-system"]);
        check(&["--exclude-namespaces=infra"], &["infra", "logship-system"]);
        check(&["--exclude-namespaces="], &["logship-system"]);
    }

    #[test]
    fn errors_name_the_flag_and_the_remedy() {
        let check = |more: &[&str], expected: [&str; 2]| {
            let error = parse(more).unwrap_err();
            for part in expected {
                assert!(error.contains(part), "{error} does not contain {part}");
            }
        };
        check(
            &["--sidecar-image-pull-policy=Sometimes"],
            ["--sidecar-image-pull-policy", "IfNotPresent"],
        );
        check(&["--lease=Not_A_Name"], ["--lease", "lower-case"]);
        check(&["--webhook-port=70000"], ["--webhook-port", "70000"]);
        check(
            &["--shutdown-grace=5"],
            ["--shutdown-grace", "write a number and a unit"],
        );
        check(&["--log-level=loud"], ["--log-level", "loud"]);
        let missing = Args::try_parse_from(["logship-operator", "--sidecar-image="])
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("--sidecar-image") && missing.contains("may not be empty"),
            "{missing}"
        );
    }
}
