//! Every string that Kubernetes sees, once.
//!
//! Labels, annotations, object names, volume names, paths, ports and environment variables live here so that
//! the operator, the sidecar, the chart's tests and the end-to-end tests cannot disagree about them.

/// API group of the resource and prefix of every label and annotation.
pub const GROUP: &str = "logship.dev";
/// Label on a namespace (`enabled`, `required`, `disabled`) or a pod (`enabled`, `disabled`; beats the namespace's).
pub const INJECTION_LABEL: &str = "logship.dev/injection";
/// Value of [`INJECTION_LABEL`]: inject, and admit the pod without a sidecar when the operator is away.
pub const INJECTION_ENABLED: &str = "enabled";
/// Value of [`INJECTION_LABEL`] on a namespace: inject, and refuse the pod when the operator is away.
pub const INJECTION_REQUIRED: &str = "required";
/// Value of [`INJECTION_LABEL`]: leave alone.
pub const INJECTION_DISABLED: &str = "disabled";

/// Pod annotation: the container whose output is shipped and whose directories are shared.
pub const CONTAINER_ANNOTATION: &str = "logship.dev/container";
/// Pod annotation: `true` or `false`, beats `spec.sidecar.native`.
pub const NATIVE_ANNOTATION: &str = "logship.dev/native";
/// Pod annotation: the sidecar's image for this pod.
pub const IMAGE_ANNOTATION: &str = "logship.dev/image";
/// Pod annotation: the sidecar's resource requirements for this pod, as JSON.
pub const RESOURCES_ANNOTATION: &str = "logship.dev/resources";
/// Pod annotation: `true`: a pod that runs as `default` keeps its account and its tokens; the sidecar gets a token of its own
/// as in pods with an account of their own.
pub const KEEP_TOKEN_ANNOTATION: &str = "logship.dev/keep-token";
/// Annotation written by injection: the hash of the injected plan.
pub const INJECTED_ANNOTATION: &str = "logship.dev/injected";
/// Written by injection where it left a resource out: which, why, and for which other one, as a JSON list.
pub const LEFT_OUT_ANNOTATION: &str = "logship.dev/left-out";
/// The annotations that a user may set on a pod; any other key below [`GROUP`] is warned about.
pub const USER_ANNOTATIONS: [&str; 5] = [
    CONTAINER_ANNOTATION,
    NATIVE_ANNOTATION,
    IMAGE_ANNOTATION,
    RESOURCES_ANNOTATION,
    KEEP_TOKEN_ANNOTATION,
];
/// The well-known annotation that names a pod's main container (kubectl logs).
pub const DEFAULT_CONTAINER_ANNOTATION: &str = "kubectl.kubernetes.io/default-container";
/// The cluster autoscaler's list of volumes that do not keep a node alive.
pub const SAFE_TO_EVICT_ANNOTATION: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// Annotation on [`SIDECAR_TOKEN_SECRET`]: uid of the ServiceAccount that the token speaks for.
pub const TOKEN_ACCOUNT_UID_ANNOTATION: &str = "logship.dev/account-uid";
/// Annotation on [`SIDECAR_TOKEN_SECRET`]: when the token is replaced, long before it expires (RFC 3339).
pub const TOKEN_RENEWAL_ANNOTATION: &str = "logship.dev/renew-after";
/// Annotation on [`SIDECAR_TOKEN_SECRET`]: SHA-256 of the token, in base64, by which a token of somebody else is noticed.
pub const TOKEN_DIGEST_ANNOTATION: &str = "logship.dev/token-sha256";
/// Label on every object that the operator writes.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY_LABEL`].
pub const MANAGED_BY: &str = "logship";
/// Field manager of the reconciler's server-side apply.
pub const FIELD_MANAGER: &str = "logship-operator";
/// Field manager that owns the `caBundle` fields and nothing else.
pub const CA_FIELD_MANAGER: &str = "logship-operator-ca";

/// Name of the injected container.
pub const SIDECAR_CONTAINER: &str = "logship";
/// Name of the ServiceAccount, Role and RoleBinding in each namespace with a resource.
pub const SIDECAR_ACCOUNT: &str = "logship-sidecar";
/// Name of the Secret with a short-lived token of [`SIDECAR_ACCOUNT`], for pods that keep an account of their own.
pub const SIDECAR_TOKEN_SECRET: &str = "logship-sidecar-token";
/// Key of the document in the ConfigMap of a resource.
pub const CONFIG_KEY: &str = "logship.json";

/// Name of the ConfigMap of the resource `shipping`.
pub fn config_map(shipping: &str) -> String {
    format!("logship-{shipping}")
}

/// Volume with the configuration documents of every matching resource.
pub const CONFIG_VOLUME: &str = "logship-config";
/// Volume with checkpoints and rejected records.
pub const STATE_VOLUME: &str = "logship-state";
/// Volume with the keys of Secrets that sinks refer to.
pub const SECRETS_VOLUME: &str = "logship-secrets";
/// Volume with the sidecar's own API token.
pub const TOKEN_VOLUME: &str = "logship-token";
/// Prefix of the volumes made for log directories that lie on no volume yet.
pub const LOG_VOLUME_PREFIX: &str = "logship-logs-";

/// Where [`CONFIG_VOLUME`] is mounted: one `<resource>.json` for each matching resource.
pub const CONFIG_PATH: &str = "/etc/logship/config";
/// Where [`STATE_VOLUME`] is mounted.
pub const STATE_PATH: &str = "/var/lib/logship";
/// Where [`TOKEN_VOLUME`] is mounted: the path at which every client library looks.
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where [`SECRETS_VOLUME`] is mounted: a folder for each Secret, a file for each of its keys that is referred to.
pub const SECRETS_PATH: &str = "/etc/logship/secrets";

/// The file in [`SECRETS_VOLUME`] that holds the `key` of `secret`.
pub fn secret_file(secret: &str, key: &str) -> String {
    format!("{secret}/{key}")
}

/// Where the sidecar finds the `key` of `secret`.
pub fn secret_path(secret: &str, key: &str) -> String {
    format!("{SECRETS_PATH}/{}", secret_file(secret, key))
}

/// Where the sidecar sees the volume of the files source `source` of the resource `shipping`.
pub fn logs_path(shipping: &str, source: &str) -> String {
    format!("/logs/{shipping}/{source}")
}

/// The file from which the kubelet takes a container's termination message.
pub const TERMINATION_LOG: &str = "/dev/termination-log";

/// Environment of the sidecar: name of its pod.
pub const ENV_POD_NAME: &str = "POD_NAME";
/// Environment of the sidecar: namespace of its pod.
pub const ENV_POD_NAMESPACE: &str = "POD_NAMESPACE";
/// Environment of the sidecar: uid of its pod.
pub const ENV_POD_UID: &str = "POD_UID";
/// Environment of the sidecar: node of its pod.
pub const ENV_NODE_NAME: &str = "NODE_NAME";
/// Environment of the sidecar: a field of its pod that the path of a log directory needs (`subPathExpr`), by its number.
pub fn field_variable(number: usize) -> String {
    format!("LOGSHIP_FIELD_{number}")
}
/// Environment of the sidecar: a JSON object, `"<resource>/<source>"` → the directory as the sidecar sees it. A pod's
/// volumes decide these paths, so they cannot be in the resource's ConfigMap; an absent entry means [`logs_path`].
pub const ENV_DIRECTORIES: &str = "LOGSHIP_DIRECTORIES";
/// Environment of the sidecar: the pod's restart policy when it is a classic container that has to end by itself when the others have
/// ended.
pub const ENV_CLASSIC: &str = "LOGSHIP_CLASSIC";
/// Environment of the sidecar: how many bytes [`STATE_VOLUME`] has room for, because the kubelet evicts a pod with more. Absent: no limit
/// but the disk's.
pub const ENV_STATE_BYTES: &str = "LOGSHIP_STATE_BYTES";
/// Environment of every container, by the kubelet: host of the API server.
pub const ENV_API_HOST: &str = "KUBERNETES_SERVICE_HOST";
/// Environment of every container, by the kubelet: port of the API server.
pub const ENV_API_PORT: &str = "KUBERNETES_SERVICE_PORT";
/// Environment-only mode: the directory to scan.
pub const ENV_LOG_DIRECTORY: &str = "LOG_DIRECTORY";
/// Environment-only mode: regular expression on the base name.
pub const ENV_LOG_FILE_PATTERN: &str = "LOG_FILE_PATTERN";
/// Environment-only mode: whole seconds between two scans.
pub const ENV_LOG_SCAN_INTERVAL: &str = "LOG_SCAN_INTERVAL";
/// Environment-only mode: where checkpoints live; without it every start begins at the beginning.
pub const ENV_LOG_STATE_DIRECTORY: &str = "LOG_STATE_DIRECTORY";

/// Port of the sidecar's `/healthz`, `/metrics`, `/status` and [`CONFIGURATION_PATH`].
pub const SIDECAR_ADMIN_PORT: u16 = 9465;
/// Where the sidecar tells which generations it runs and which documents it refuses: [`crate::report::Report`].
pub const CONFIGURATION_PATH: &str = "/configuration";
/// Port of the operator's webhook.
pub const WEBHOOK_PORT: u16 = 9443;
/// Port of the operator's `/healthz`, `/readyz` and `/metrics`.
pub const OPERATOR_ADMIN_PORT: u16 = 8080;
/// Path of the mutating webhook.
pub const MUTATE_PATH: &str = "/mutate-pods";

/// Proxies and helpers that other injectors add to pods: never the application.
pub const KNOWN_PROXIES: [&str; 10] = [
    "istio-proxy",
    "istio-init",
    "istio-validation",
    "linkerd-proxy",
    "linkerd-init",
    "envoy",
    "daprd",
    "vault-agent",
    "vault-agent-init",
    "cloud-sql-proxy",
];
