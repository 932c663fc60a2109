//! Standard output of real pods through the Kubernetes API: it arrives complete and once, in whatever way connections, containers,
//! files, tokens and pods end, and the application gains no right.

mod deletion;
mod instances;
mod kept;
mod reopen;
mod rights;
mod rotation;
mod token;
mod writers;
