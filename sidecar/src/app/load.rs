//! Finds the configuration: the one document that was named, documents in their place, or the environment when there is no place for documents.
//!
//! Waits while the directory for documents is there but empty: the volume is optional, so that pods start, and the ConfigMap may
//! arrive late. Who is to end meanwhile looks once more, because a short Job may end before its configuration was seen.
//!
//! A mistake in the document of a person ends the process. One in a document of a directory holds up nobody but its own pipeline: in a pod
//! a process that ends is started again later and later, and the pod is not ready meanwhile.

use super::Error;
use crate::args::Run;
use crate::config::revision::{Documents, Rejection, Revision, revise};
use crate::config::{self, Config, Environment, Mistakes, from_document, from_documents, from_environment};
use crate::io::signal::Stop;
use crate::source::container_output::{PodApi, wait_for_others};
use logship_crd::names::STATE_PATH;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often an empty directory is looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// More exchanges of the documents in a row than this are none.
const LISTINGS_MAX: usize = 16;

/// The configuration, and whether a signal came before it.
pub(super) struct Loaded {
    pub config: Config,
    /// What it was made of; none: the environment alone, which never changes.
    pub written: Option<Written>,
    pub told: bool,
}

/// Documents, as they were found.
pub(super) struct Written {
    pub place: Place,
    pub found: Documents,
    /// Those that the configuration is made of.
    pub accepted: Documents,
    /// What is not taken of the others.
    pub rejected: Vec<Rejection>,
}

/// Where the documents are, and how they are read.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// One of a person.
    File { path: PathBuf, state: Option<PathBuf> },
    /// One for each resource.
    Directory { path: PathBuf, state: PathBuf },
}

impl Place {
    /// Of the file or directory.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } | Self::Directory { path, .. } => path,
        }
    }

    /// What is there.
    pub(super) fn read(&self) -> io::Result<Documents> {
        match self {
            Self::File { path, .. } => {
                let text = std::fs::read_to_string(path)?;
                Ok(vec![(path.display().to_string(), text)])
            }
            Self::Directory { path, .. } => documents(path),
        }
    }

    /// What they say.
    pub(super) fn compile(
        &self,
        environment: &Environment,
        documents: &Documents,
    ) -> Result<Config, Mistakes> {
        match self {
            Self::File { state, .. } => {
                let (name, text) = documents.first().map_or(("", ""), |(name, text)| (name, text));
                from_document(environment, name, text, state.as_deref())
            }
            Self::Directory { state, .. } => from_documents(environment, documents, state),
        }
    }

    /// Where a change of the documents is seen: for a file also where the one is that it leads to.
    pub(super) fn spots(&self) -> Vec<Spot> {
        match self {
            Self::File { path, .. } => {
                let real = std::fs::canonicalize(path).ok();
                let files = [Some(path), real.as_ref()].into_iter().flatten();
                let spot = |file: &PathBuf| Spot {
                    directory: parent(file),
                    file: file.file_name().map(OsStr::to_owned),
                };
                files.map(spot).collect()
            }
            Self::Directory { path, .. } => vec![Spot {
                directory: path.clone(),
                file: None,
            }],
        }
    }
}

/// Where a change is seen.
pub(super) struct Spot {
    pub directory: PathBuf,
    /// None: every document there.
    file: Option<OsString>,
}

impl Spot {
    /// Whether something of this name may be about the documents. What the kubelet exchanges begins with two dots.
    pub(super) fn is_about(&self, name: &str) -> bool {
        let is_named = match &self.file {
            Some(file) => file == name,
            None => is_document(name),
        };
        is_named || name.starts_with("..")
    }
}

fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The configuration; none if we were to end before there was one.
pub(super) async fn load(
    args: &Run,
    environment: &Environment,
    stop: &mut Stop,
) -> Result<Option<Loaded>, Error> {
    if let Some(file) = &args.config {
        let place = Place::File {
            path: file.clone(),
            state: args.state_dir.clone(),
        };
        let found = read(&place)?;
        return loaded(place, found, environment, args.once, false).map(Some);
    }
    if !args.config_dir.is_dir() {
        let config = from_environment(environment)?;
        return Ok(Some(Loaded {
            config,
            written: None,
            told: false,
        }));
    }
    let place = Place::Directory {
        path: args.config_dir.clone(),
        state: args.state_dir.clone().unwrap_or_else(|| STATE_PATH.into()),
    };
    let mut others = std::pin::pin!(others_of_classic(environment, &args.token_dir));
    let (mut said, mut told, mut last_look) = (false, false, false);
    loop {
        let found = read(&place)?;
        if !found.is_empty() {
            return loaded(place, found, environment, args.once, told).map(Some);
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

/// What the documents there say. Who runs once gets no second chance, so no mistake is passed over.
fn loaded(
    place: Place,
    found: Documents,
    environment: &Environment,
    once: bool,
    told: bool,
) -> Result<Loaded, Error> {
    let (config, accepted, rejected) = match place.compile(environment, &found) {
        Ok(config) => (config, found.clone(), Vec::new()),
        Err(mistakes) if once || matches!(place, Place::File { .. }) => return Err(mistakes.into()),
        Err(mistakes) => {
            let none = Documents::new();
            let revision = revise(&none, found.clone(), |some| place.compile(environment, some));
            let Revision {
                config,
                accepted,
                rejected,
            } = revision;
            // Not in one of them, so leaving some out helps nothing.
            (config.ok_or(mistakes)?, accepted, rejected)
        }
    };
    Ok(Loaded {
        config,
        written: Some(Written {
            place,
            found,
            accepted,
            rejected,
        }),
        told,
    })
}

fn read(place: &Place) -> Result<Documents, Error> {
    let unreadable = |error| Error::Read(place.path().to_owned(), error);
    place.read().map_err(unreadable)
}

/// Returns when a classic container has to end: a Job would never complete otherwise.
async fn others_of_classic(environment: &Environment, token_dir: &Path) {
    if config::is_classic(environment) {
        let api = PodApi::new(&config::pod(environment), environment, token_dir);
        let is_final = config::is_final(environment);
        wait_for_others(api, || is_final).await;
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

/// Whether the name is a document's. Those of the links and folders that the kubelet keeps beside them begin with a dot.
fn is_document(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| extension == "json") && !name.starts_with('.')
}

/// The documents of one listing.
fn listed_documents(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if is_document(&name) {
            documents.push((name, std::fs::read_to_string(&path)?));
        }
    }
    documents.sort();
    Ok(documents)
}
