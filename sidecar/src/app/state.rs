//! The state directory at the start.
//!
//! A directory that a person names has to be usable. In a pod a sidecar that ends would make the pod unready, again and again, because
//! of a volume that is not the application's matter: so it ships without positions, says so, and `/status` shows it. After a restart
//! records are sent again then; duplicates are preferred to loss.

use crate::io::fs::{StateDirectory, StateError};
use std::path::Path;

/// Whether the process may go on without state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It is named on the command line or in the environment.
    Required,
    /// It is the volume of a pod that was injected.
    Wished,
}

/// The directory, or why there is none.
pub(super) fn open(path: &Path, need: Need) -> Result<Result<StateDirectory, String>, StateError> {
    match StateDirectory::lock(path) {
        Ok(state) => Ok(Ok(state)),
        Err(error @ StateError::Unusable(..)) if need == Need::Wished => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let trouble = format!("{error}{}", cause.unwrap_or_default());
            tracing::error!(
                error = trouble,
                "going on without state: what was sent is sent again after a restart"
            );
            Ok(Err(trouble))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_directory_ends_only_those_who_were_told_to_use_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let below = file.path().join("state");
        assert!(matches!(
            open(&below, Need::Required),
            Err(StateError::Unusable(..))
        ));
        let Ok(Err(trouble)) = open(&below, Need::Wished) else {
            panic!("it goes on and says why");
        };
        assert!(trouble.contains("make it writable for uid"), "{trouble}");
    }

    #[test]
    fn directory_of_another_process_is_never_shared() {
        let directory = tempfile::tempdir().unwrap();
        let _first = StateDirectory::lock(directory.path()).unwrap();
        assert!(matches!(
            open(directory.path(), Need::Wished),
            Err(StateError::Locked(_))
        ));
    }
}
