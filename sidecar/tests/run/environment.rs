//! What environment variables alone configure.

use crate::support::{Place, Running, eventually, exists, finish, numbered};

#[test]
fn environment_mode_prints_every_line_once_and_drains_on_sigterm() {
    let place = Place::new();
    place.append("a.log", &numbered(0..100));
    place.append("ignored.txt", "no\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(100);
    place.append("a.log", "last without newline");
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), numbered(0..100) + "last without newline\n");
}

#[test]
fn environment_mode_makes_the_missing_directory_and_waits_for_files() {
    let place = Place::new();
    std::fs::remove_dir(place.path("logs")).unwrap();
    let running = Running::start(&mut place.by_environment());
    eventually("the directory is made", || exists(&place.path("logs")));
    place.append("new.log", "hello\n");
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn bad_environment_exits_with_64_and_names_variable_value_and_remedy() {
    let place = Place::new();
    let check = |variable: &str, value: Option<&str>, expected: &str| {
        let mut command = place.by_environment();
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        let output = finish(&mut command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{variable}={value:?}: {said}");
        assert!(
            said.contains(variable) && said.contains(expected),
            "{variable}={value:?}: {said}"
        );
    };
    check("LOG_DIRECTORY", None, "not set");
    check("LOG_FILE_PATTERN", Some(""), "empty");
    check("LOG_FILE_PATTERN", Some("a("), "unclosed group");
    check("LOG_SCAN_INTERVAL", None, "not set");
    for bad in ["0", "-1", "1.5", "ten"] {
        check("LOG_SCAN_INTERVAL", Some(bad), bad);
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let place = Place::new();
    let mut command = place.by_environment();
    command
        .env_remove("LOG_DIRECTORY")
        .env_remove("LOG_FILE_PATTERN")
        .env_remove("LOG_SCAN_INTERVAL");
    let said = String::from_utf8(finish(&mut command).stderr).unwrap();
    for variable in ["LOG_DIRECTORY", "LOG_FILE_PATTERN", "LOG_SCAN_INTERVAL"] {
        assert!(said.contains(variable), "{said}");
    }
}

#[test]
fn pod_name_without_namespace_exits_with_64() {
    let place = Place::new();
    for name in ["POD_NAME", "POD_NAMESPACE"] {
        let mut command = place.binary();
        command.env(name, "x");
        let output = finish(&mut command);
        let other = if name == "POD_NAME" {
            "POD_NAMESPACE"
        } else {
            "POD_NAME"
        };
        assert_eq!(output.status.code(), Some(64));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains(&format!("{other} is not set"))
        );
    }
}
