//! The directories of `files` sources, shared between the application's container and the sidecar.
//!
//! A directory that lies on a volume already is read from that volume; otherwise the container gets an emptyDir there, and loses
//! sight of what its image has at that place. Mounts are compared by what they cover, so sources with one directory share one volume.
//! A directory below one that got an emptyDir gets its own, because a new volume is empty and the application expects it there.

use super::annotations::Overrides;
use super::expression::{self, Fields, Folder};
use super::patch::Draft;
use super::plan::{FilesPlan, Plan, digest};
use super::pod::{Pod, mounts, text};
use super::{Skip, SkipReason, listed};
use logship_crd::names;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Greatest size of a volume made for a log directory. The kubelet evicts a pod that exceeds it, so it leaves room for an
/// application that rotates its files, and still protects the node from one that does not.
const LOG_VOLUME_SIZE_LIMIT: &str = "1Gi";
/// Longest name of a volume: it is a DNS label (RFC 1123).
const NAME_LENGTH_MAX: usize = 63;
/// Kinds of volumes that hold what others wrote, so no logs.
const READ_ONLY_KINDS: [&str; 5] = ["configMap", "secret", "projected", "downwardAPI", "image"];
/// Directories that the system or an image needs as they are: a new volume would hide what is there.
const SYSTEM_DIRECTORIES: [&str; 10] = [
    "usr", "bin", "sbin", "lib", "lib64", "etc", "proc", "sys", "dev", "boot",
];
/// The same, where directories below may well hold logs.
const HOME_DIRECTORIES: [&str; 2] = ["root", "home"];

/// Those of `/usr/local`.
const LOCAL_SYSTEM_DIRECTORIES: [&str; 6] = ["bin", "sbin", "lib", "lib64", "etc", "share"];

/// How the sidecar sees the log directories.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// The sidecar's mounts, all read-only.
    pub(super) mounts: Vec<Value>,
    /// `<resource>/<source>` → directory in the sidecar.
    pub(super) directories: BTreeMap<String, String>,
    /// Fields of the pod that the paths of the mounts need.
    pub(super) fields: Fields,
    /// Names of the volumes that were made.
    pub(super) made: Vec<String>,
    /// The container of the first source, whose files the sidecar has to be able to read.
    pub(super) writer: Option<String>,
}

/// Shares the directory of each source of the plan.
pub(super) fn share(draft: &mut Draft, plan: &Plan<'_>, overrides: &Overrides<'_>) -> Result<Logs, Skip> {
    let mut logs = Logs::default();
    // A volume that one source names serves another that names none.
    let (named, others): (Vec<_>, Vec<_>) = plan.files.iter().partition(|files| files.volume.is_some());
    let mut mounted: Vec<Place<'_>> = Vec::new();
    for files in named.into_iter().chain(others) {
        let container = writer(draft.pod(), files, plan, overrides)?;
        let place = Place {
            files,
            directory: parts(files.directory),
            container,
        };
        place.check_is_no_root()?;
        if place
            .covering_mount(draft.pod())?
            .is_none_or(|mount| place.is_missing_on(mount, &logs.made))
        {
            place.check_is_the_only_one(&mounted)?;
            logs.made.extend(place.mount_volume(draft)?);
        }
        place.read_from_sidecar(draft.pod(), &mut logs)?;
        logs.writer.get_or_insert_with(|| place.container.clone());
        mounted.push(place);
    }
    Ok(logs)
}

/// The container that writes the files of a source.
fn writer(
    pod: Pod<'_>,
    files: &FilesPlan<'_>,
    plan: &Plan<'_>,
    overrides: &Overrides<'_>,
) -> Result<String, Skip> {
    let known = || listed(pod.container_names());
    let missing = |problem: String| {
        Skip::new(
            SkipReason::ContainerNotFound,
            format!("{}: {problem}", title(files)),
        )
    };
    if let Some(name) = files.container {
        return pod.container(name).map(|_| name.to_owned()).ok_or_else(|| {
            missing(format!(
                "the pod has no container {name:?} (it has {}): correct files.container",
                known()
            ))
        });
    }
    let name = overrides
        .container
        .or_else(|| pod.default_container(plan.settings.exclude_containers));
    name.map(str::to_owned).ok_or_else(|| {
        missing(format!(
            "each container ({}) is a known proxy or excluded: name one by the annotation {}",
            known(),
            names::CONTAINER_ANNOTATION
        ))
    })
}

/// A directory of a container.
struct Place<'a> {
    files: &'a FilesPlan<'a>,
    directory: Vec<&'a str>,
    container: String,
}

impl Place<'_> {
    fn check_is_no_root(&self) -> Result<(), Skip> {
        if self.directory.is_empty() {
            return Err(self.skip(
                SkipReason::UnsupportedMount,
                "the root directory cannot be shared: name a directory below it",
            ));
        }
        Ok(())
    }

    fn check_is_no_system_directory(&self) -> Result<(), Skip> {
        let is_system = match self.directory[..] {
            [top] => SYSTEM_DIRECTORIES.contains(&top) || HOME_DIRECTORIES.contains(&top),
            // What people install by hand has folders of its own there, Tomcat's logs for example.
            ["usr", "local", folder, _, ..] => LOCAL_SYSTEM_DIRECTORIES.contains(&folder),
            [top, ..] => SYSTEM_DIRECTORIES.contains(&top),
            [] => true,
        };
        if is_system {
            let problem = format!(
                "a new volume at {} would hide what container {} needs: name a directory elsewhere, or mount a volume there",
                self.files.directory, self.container
            );
            return Err(self.skip(SkipReason::UnsupportedMount, &problem));
        }
        Ok(())
    }

    /// Whether the mount is of a volume just made, for a directory above this one.
    fn is_missing_on(&self, mount: &Value, made: &[String]) -> bool {
        let is_new = made.iter().any(|name| text(mount, "name") == Some(name));
        is_new && parts(text(mount, "mountPath").unwrap_or_default()) != self.directory
    }

    /// The mount of the container that the directory lies on, provided that logs can be read from it.
    fn covering_mount<'p>(&self, pod: Pod<'p>) -> Result<Option<&'p Value>, Skip> {
        let path = |mount: &'p Value| parts(text(mount, "mountPath").unwrap_or_default());
        let container = pod.container(&self.container).map(|(_, container)| container);
        let covering = container
            .map_or(&[][..], mounts)
            .iter()
            .filter(|mount| self.directory.starts_with(&path(mount)))
            .max_by_key(|mount| path(mount).len());
        covering
            .map(|mount| self.check_readable(pod, mount).map(|()| mount))
            .transpose()
    }

    fn check_readable(&self, pod: Pod<'_>, mount: &Value) -> Result<(), Skip> {
        let name = text(mount, "name").unwrap_or_default();
        let here = format!(
            "{} of container {} lies on volume {name}",
            self.files.directory, self.container
        );
        if let Some(wanted) = self.files.volume.filter(|wanted| *wanted != name) {
            return Err(self.skip(
                SkipReason::Conflict,
                &format!("{here}, not on {wanted}: correct files.volume"),
            ));
        }
        if let Some(kind) = pod.volume(name).and_then(read_only_kind) {
            let problem = format!(
                "{here}, a {kind}, which holds no logs: name a directory on a writable volume or on none"
            );
            return Err(self.skip(SkipReason::UnsupportedMount, &problem));
        }
        Ok(())
    }

    /// The application would find the files of one resource's directory in that of the other, and both would ship all of them.
    fn check_is_the_only_one(&self, mounted: &[Place<'_>]) -> Result<(), Skip> {
        let Some(volume) = self.files.volume else {
            return Ok(());
        };
        let is_here = |other: &&Place<'_>| {
            let FilesPlan { shipping, volume, .. } = other.files;
            other.container == self.container
                && *shipping != self.files.shipping
                && *volume == self.files.volume
        };
        let Some(other) = mounted.iter().find(is_here) else {
            return Ok(());
        };
        let FilesPlan {
            shipping, directory, ..
        } = other.files;
        let problem = format!(
            "volume {volume} would be mounted at {}, and is at {directory} of container {} for LogShipping {shipping}: name the same directory, or another volume",
            self.files.directory, self.container
        );
        Err(self.skip(SkipReason::Conflict, &problem))
    }

    /// Mounts a volume at the directory: the one that the source names, else a new emptyDir, whose name is returned.
    fn mount_volume(&self, draft: &mut Draft) -> Result<Option<String>, Skip> {
        let Some(name) = self.files.volume else {
            self.check_is_no_system_directory()?;
            let name = self.unused_name(draft.pod())?;
            draft.append(
                "/spec/volumes",
                json!({"name": name, "emptyDir": {"sizeLimit": LOG_VOLUME_SIZE_LIMIT}}),
            );
            self.mount(draft, &name);
            return Ok(Some(name));
        };
        let problem = match draft.pod().volume(name).map(read_only_kind) {
            Some(None) => {
                self.mount(draft, name);
                return Ok(None);
            }
            Some(Some(kind)) => {
                let problem = format!("volume {name} is a {kind}, which holds no logs: correct files.volume");
                return Err(self.skip(SkipReason::UnsupportedMount, &problem));
            }
            None => {
                let known = listed(
                    draft
                        .pod()
                        .volumes()
                        .iter()
                        .filter_map(|volume| text(volume, "name")),
                );
                format!("the pod has no volume {name:?} (it has {known}): correct files.volume")
            }
        };
        Err(self.skip(SkipReason::Conflict, &problem))
    }

    fn mount(&self, draft: &mut Draft, volume: &str) {
        if let Some((pointer, _)) = draft.pod().container(&self.container) {
            let mount = json!({"name": volume, "mountPath": self.files.directory});
            draft.append(&format!("{pointer}/volumeMounts"), mount);
        }
    }

    /// Mounts in the sidecar what the container has mounted, and notes where the directory is there.
    fn read_from_sidecar(&self, pod: Pod<'_>, logs: &mut Logs) -> Result<(), Skip> {
        let Some(mount) = self.covering_mount(pod)? else {
            return Ok(());
        };
        let FilesPlan { shipping, source, .. } = self.files;
        let path = names::logs_path(shipping, source);
        let depth = parts(text(mount, "mountPath").unwrap_or_default()).len();
        let place = [&[path.as_str()], &self.directory[depth..]].concat().join("/");
        let mut read_only = json!({"name": mount["name"], "mountPath": path, "readOnly": true});
        if let Some(folder) = mount.get("subPath") {
            read_only["subPath"] = folder.clone();
        }
        match self.expanded(pod, mount, &mut logs.fields)? {
            Folder::None => {}
            Folder::Plain(folder) => read_only["subPath"] = json!(folder),
            Folder::Expression(expression) => read_only["subPathExpr"] = json!(expression),
        }
        logs.mounts.push(read_only);
        logs.directories.insert(format!("{shipping}/{source}"), place);
        Ok(())
    }

    /// The folder that the mount names by an expression, for the sidecar.
    fn expanded(&self, pod: Pod<'_>, mount: &Value, fields: &mut Fields) -> Result<Folder, Skip> {
        let expression = text(mount, "subPathExpr").unwrap_or_default();
        let Some((_, container)) = pod.container(&self.container) else {
            return Ok(Folder::None);
        };
        expression::translate(expression, container, fields).map_err(|error| {
            let volume = text(mount, "name").unwrap_or_default();
            let problem = format!(
                "{} of container {} lies on volume {volume} by the subPathExpr {expression}: {error}",
                self.files.directory, self.container
            );
            self.skip(SkipReason::UnsupportedMount, &problem)
        })
    }

    /// A name for a new volume: readable where that is possible, with a hash where it is too long or taken.
    fn unused_name(&self, pod: Pod<'_>) -> Result<String, Skip> {
        let FilesPlan { shipping, source, .. } = self.files;
        let readable = format!("{}{shipping}-{source}", names::LOG_VOLUME_PREFIX);
        let hash = &digest(format!("{shipping}/{source}").as_bytes())[..8];
        let label = readable.replace('.', "-");
        let start = &label[..label.len().min(NAME_LENGTH_MAX - hash.len() - 1)];
        let hashed = format!("{}-{hash}", start.trim_end_matches('-'));
        let is_free = |name: &String| {
            name.len() <= NAME_LENGTH_MAX && !name.contains('.') && pod.volume(name).is_none()
        };
        [readable, hashed].into_iter().find(is_free).ok_or_else(|| {
            self.skip(
                SkipReason::Conflict,
                "the names for its volume are taken in the pod: rename the source",
            )
        })
    }

    fn skip(&self, reason: SkipReason, problem: &str) -> Skip {
        Skip::new(reason, format!("{}: {problem}", title(self.files)))
    }
}

fn title(files: &FilesPlan<'_>) -> String {
    format!("LogShipping {}, source {}", files.shipping, files.source)
}

fn read_only_kind(volume: &Value) -> Option<&'static str> {
    READ_ONLY_KINDS
        .into_iter()
        .find(|kind| volume.get(kind).is_some_and(|source| !source.is_null()))
}

/// The parts of a path, so that `/var/log` covers `/var/log/nginx/` and not `/var/logs`.
fn parts(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect()
}
