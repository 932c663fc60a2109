//! What to set so that a log can be read which the system refuses us. Pure.
//!
//! We run as the application's user where the pod says which that is, and never as root; so what helps depends on whose the file is.

/// Whose a file is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
    /// Permission bits.
    pub(super) mode: u32,
}

/// Bits of the mode.
const READABLE_BY_GROUP: u32 = 0o040;
const PERMISSIONS: u32 = 0o7777;

/// Whose the file is, who we are, and what to set. Without an owner a directory on the way to it refuses us.
pub(super) fn remedy(owner: Option<Owner>, us: u32) -> String {
    let Some(Owner { user, group, mode }) = owner else {
        return format!(
            "we run as uid {us}, and a directory on the way lets nobody else in: set securityContext.runAsUser in the application's pod \
             to the user that it runs as, then we run as that, too"
        );
    };
    let who = format!(
        "it is uid {user}'s and gid {group}'s with mode {:04o}, we run as uid {us}",
        mode & PERMISSIONS
    );
    let group_helps = if mode & READABLE_BY_GROUP != 0 {
        format!("set securityContext.fsGroup: {group} in the pod, or ")
    } else {
        String::new()
    };
    let user_helps = if user == 0 {
        "let the application run as a user that is not root (securityContext.runAsUser), for we never run as root, or ".to_owned()
    } else if user == us {
        String::new()
    } else {
        format!(
            "set securityContext.runAsUser: {user} in the application's pod, then we run as that, too, or "
        )
    };
    format!(
        "{who}: {group_helps}{user_helps}let the application write files that others can read (umask 022)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedy_fits_the_owner_of_the_file() {
        let check = |user, mode, has: &[&str], has_not: &[&str]| {
            let owner = Owner {
                user,
                group: 2000,
                mode,
            };
            let said = remedy(Some(owner), 65532);
            assert!(said.contains("we run as uid 65532"), "{said}");
            for part in has {
                assert!(said.contains(part), "{part:?} is missing: {said}");
            }
            for part in has_not {
                assert!(!said.contains(part), "{part:?} does not help: {said}");
            }
        };
        check(
            1000,
            0o100_600,
            &["uid 1000's", "mode 0600", "runAsUser: 1000", "umask"],
            &["fsGroup"],
        );
        check(1000, 0o100_640, &["fsGroup: 2000", "runAsUser: 1000"], &[]);
        check(0, 0o100_600, &["not root", "umask"], &["runAsUser: 0", "fsGroup"]);
        check(65532, 0o100_000, &["umask"], &["runAsUser"]);
    }

    #[test]
    fn closed_directory_is_said() {
        let said = remedy(None, 65532);
        assert!(
            said.contains("a directory on the way") && said.contains("runAsUser"),
            "{said}"
        );
    }
}
