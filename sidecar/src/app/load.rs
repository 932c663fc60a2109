//! Finds the configuration: the one document that was named, documents in their place, or the environment when there is no place for documents.
//!
//! Waits while the directory for documents is there but empty: the volume is optional, so that pods start, and the ConfigMap may
//! arrive late. Who is to end meanwhile looks once more, because a short Job may end before its configuration was seen.

use super::Error;
use crate::args::Run;
use crate::config::{self, Config, Environment, from_document, from_documents, from_environment};
use crate::io::signal::Stop;
use crate::source::container_output::{PodApi, wait_for_others};
use logship_crd::names::{STATE_PATH, TOKEN_PATH};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often an empty directory is looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// More exchanges of the documents in a row than this are none.
const LISTINGS_MAX: usize = 16;

/// The configuration, and whether a signal came before it.
pub(super) struct Loaded {
    pub config: Config,
    pub told: bool,
}

/// The configuration; none if we were to end before there was one.
pub(super) async fn load(
    args: &Run,
    environment: &Environment,
    stop: &mut Stop,
) -> Result<Option<Loaded>, Error> {
    if let Some(file) = &args.config {
        let config = document(file, environment, args.state_dir.as_deref())?;
        return Ok(Some(Loaded { config, told: false }));
    }
    let state = args.state_dir.as_deref().unwrap_or(Path::new(STATE_PATH));
    if !args.config_dir.is_dir() {
        let config = from_environment(environment)?;
        return Ok(Some(Loaded { config, told: false }));
    }
    let mut others = std::pin::pin!(others_of_classic(environment));
    let (mut said, mut told, mut last_look) = (false, false, false);
    loop {
        let documents =
            documents(&args.config_dir).map_err(|error| Error::Read(args.config_dir.clone(), error))?;
        if !documents.is_empty() {
            let config = from_documents(environment, &documents, state)?;
            return Ok(Some(Loaded { config, told }));
        }
        if last_look {
            tracing::warn!(directory = %args.config_dir.display(), "ending without a configuration document, nothing was shipped");
            return Ok(None);
        }
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(directory = %args.config_dir.display(), "no configuration document yet, waiting for one");
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.asked() => (told, last_look) = (true, true),
            () = &mut others => last_look = true,
        }
    }
}

/// The configuration of a person's document.
fn document(file: &Path, environment: &Environment, state: Option<&Path>) -> Result<Config, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::Read(file.to_owned(), error))?;
    Ok(from_document(
        environment,
        &file.display().to_string(),
        &text,
        state,
    )?)
}

/// Returns when a classic container has to end: a Job would never complete otherwise.
async fn others_of_classic(environment: &Environment) {
    if config::is_classic(environment) {
        let api = PodApi::new(&config::pod(environment), environment, Path::new(TOKEN_PATH));
        wait_for_others(api).await;
    } else {
        std::future::pending::<()>().await;
    }
}

/// Every `<resource>.json`, by name.
pub(super) fn documents(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut listings = 0;
    loop {
        listings += 1;
        match listed_documents(directory) {
            // The kubelet exchanges the documents while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound && listings < LISTINGS_MAX => {}
            result => return result,
        }
    }
}

/// The documents of one listing. The links and folders that the kubelet keeps beside them begin with a dot.
fn listed_documents(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let is_json = Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "json");
        if is_json && !name.starts_with('.') {
            documents.push((name, std::fs::read_to_string(&path)?));
        }
    }
    documents.sort();
    Ok(documents)
}
