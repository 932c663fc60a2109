//! Finds the configuration: documents, or the environment when there is no place for documents.

use super::Error;
use crate::args::Run;
use crate::config::{Config, Environment, from_documents, from_environment};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often an empty directory is looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The configuration. Waits while the directory for documents is there but empty: the volume is optional, so that pods start, and
/// the ConfigMap may arrive late.
pub(super) async fn load(args: &Run, environment: &Environment) -> Result<Config, Error> {
    if !args.config_dir.is_dir() {
        return Ok(from_environment(environment)?);
    }
    let mut said = false;
    loop {
        let documents =
            documents(&args.config_dir).map_err(|error| Error::Read(args.config_dir.clone(), error))?;
        if !documents.is_empty() {
            return Ok(from_documents(environment, &documents, &args.state_dir)?);
        }
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(directory = %args.config_dir.display(), "no configuration document yet, waiting for one");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Every `<resource>.json`, by name. The links and folders that the kubelet keeps beside them begin with a dot.
fn documents(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "json")
            && !name.starts_with('.')
        {
            match std::fs::read_to_string(&path) {
                Ok(text) => documents.push((name, text)),
                // The kubelet exchanges the documents while we look.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    documents.sort();
    Ok(documents)
}
