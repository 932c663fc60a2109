//! The harness of the end-to-end tests: a namespace of one's own on the real cluster, conditions with deadlines, real HTTP
//! requests, a sink that counts, and the oracle that compares what was sent with what arrived.
//!
//! The tests run inside the cluster's namespaces (`tests/cluster/enter`), on its node: they reach pods by their addresses,
//! and pods reach a test at [`NODE_ADDRESS`].

#[cfg(feature = "cluster")]
pub mod api_server;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "cluster")]
pub mod follower;
pub mod manifests;
#[cfg(feature = "cluster")]
pub mod node;
pub mod oracle;
pub mod peers;
#[cfg(feature = "cluster")]
pub mod program;
#[cfg(feature = "cluster")]
pub mod release;
#[cfg(feature = "cluster")]
pub mod traffic;
pub mod wait;

/// Address of the node, at which pods reach what a test serves.
pub const NODE_ADDRESS: &str = "10.200.0.1";
/// nginx as the tests' images have it: files in /var/log/nginx, port 8080.
pub const NGINX_IMAGE: &str = "localhost/nginx:1";
/// busybox and curl.
pub const TOOLS_IMAGE: &str = "localhost/tools:1";
