use super::*;
use std::path::Path;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn document(sinks: &str) -> Vec<(String, String)> {
    let text = format!(
        r#"{{"version":1,"name":"shop","generation":1,"drainMs":1000,
            "sources":[{{"name":"access","files":{{"directory":"/var/log","pattern":"x","scanIntervalMs":1000,"startAt":"End"}}}}],
            "sinks":[{sinks}]}}"#
    );
    vec![("shop.json".to_owned(), text)]
}

const STDOUT: &str = r#"{"name":"out","batch":{"maxBytes":1024,"maxAgeMs":1},"stdout":{"format":"json"}}"#;

#[test]
fn pod_variables_alone_follow_the_container_output_as_text() {
    let config = from_environment(&environment(&[("POD_NAME", "p"), ("POD_NAMESPACE", "n")])).unwrap();
    assert!(config.needs_api());
    assert!(matches!(config.pipelines[0].sinks[0].kind, SinkKind::Stdout));
}

#[test]
fn log_variables_beside_pod_variables_scan_the_directory() {
    let pairs = [
        ("POD_NAME", "p"),
        ("LOG_DIRECTORY", "/l"),
        ("LOG_FILE_PATTERN", "x"),
        ("LOG_SCAN_INTERVAL", "10"),
    ];
    let config = from_environment(&environment(&pairs)).unwrap();
    assert!(!config.needs_api());
    let SourceKind::Files(files) = &config.pipelines[0].sources[0].kind else {
        panic!("no files source")
    };
    assert_eq!(
        (files.scan_interval, files.create),
        (Duration::from_secs(10), true)
    );
}

#[test]
fn directory_comes_from_the_environment_else_from_the_names() {
    let check = |environment: &Environment, expected: &str| {
        let config = from_documents(environment, &document(STDOUT), Path::new("/state")).unwrap();
        let SourceKind::Files(files) = &config.pipelines[0].sources[0].kind else {
            panic!("no files source")
        };
        assert_eq!(files.directory, Path::new(expected));
    };
    check(&environment(&[]), "/logs/shop/access");
    check(
        &environment(&[("LOGSHIP_DIRECTORIES", r#"{"shop/access":"/x"}"#)]),
        "/x",
    );
}

#[test]
fn every_mistake_of_a_document_is_reported() {
    let sinks = r#"{"name":"a","batch":{"maxBytes":0,"maxAgeMs":1},"http":{"url":"ftp://x","compression":"gzip","timeoutMs":1}},
                   {"name":"a","batch":{"maxBytes":1,"maxAgeMs":1},"file":{"path":"../x","format":"text"}}"#;
    let Mistakes(mistakes) =
        from_documents(&environment(&[]), &document(sinks), Path::new("/state")).unwrap_err();
    let text = Mistakes(mistakes.clone()).to_string();
    assert_eq!(mistakes.len(), 4, "{text}");
    for expected in [
        "batch.maxBytes",
        "ftp://x",
        "used twice",
        "leaves the state volume",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn unknown_fields_are_errors() {
    let documents = document(&STDOUT.replace("\"format\"", "\"colour\":1,\"format\""));
    let mistakes = from_documents(&environment(&[]), &documents, Path::new("/state")).unwrap_err();
    assert!(mistakes.to_string().contains("colour"), "{mistakes}");
}

#[test]
fn mistakes_show_no_credentials() {
    let sinks = r#"{"name":"a","batch":{"maxBytes":1,"maxAgeMs":1},"http":{"url":"ftp://me:secret@host","headers":{"authorization":"secret\n"},"compression":"gzip","timeoutMs":1}}"#;
    let mistakes = from_documents(&environment(&[]), &document(sinks), Path::new("/state")).unwrap_err();
    let text = mistakes.to_string();
    assert!(text.contains("authorization") && text.contains("host"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

fn with_multiline(rules: &str) -> Vec<(String, String)> {
    let mut documents = document(STDOUT);
    let place = r#""startAt":"End""#;
    documents[0].1 = documents[0]
        .1
        .replace(place, &format!(r#"{place},"framing":"cri","multiline":{rules}"#));
    documents
}

#[test]
fn framing_and_compiled_multiline_rules_come_from_the_document() {
    let documents = with_multiline(r#"{"end":";$","maxLines":7,"timeoutMs":5}"#);
    let config = from_documents(&environment(&[]), &documents, Path::new("/state")).unwrap();
    let SourceKind::Files(files) = &config.pipelines[0].sources[0].kind else {
        panic!("no files source")
    };
    assert_eq!(files.framing, Framing::Cri);
    let rules = files.multiline.as_ref().unwrap();
    assert!(matches!(&rules.boundary, Boundary::End(pattern) if pattern.is_match(b"x;")));
    assert_eq!((rules.lines_max, rules.timeout), (7, Duration::from_millis(5)));
}

#[test]
fn mistakes_in_multiline_rules_name_field_value_and_remedy() {
    for (rules, expected) in [
        (
            "{}",
            &["files.multiline is \"\"", "write either start or end"][..],
        ),
        (
            r#"{"start":"a","end":"b"}"#,
            &[
                "files.multiline is \"start and end\"",
                "write either start or end",
            ],
        ),
        (
            r#"{"start":"(","maxLines":0,"timeoutMs":0}"#,
            &[
                "multiline.start is \"(\"",
                "searched in a line",
                "maxLines is \"0\"",
                "timeoutMs is \"0\"",
            ],
        ),
        (
            r#"{"end":"(\\w{1000}){1000}"}"#,
            &["multiline.end", "larger than 1048576 bytes"],
        ),
    ] {
        let found = from_documents(&environment(&[]), &with_multiline(rules), Path::new("/state"));
        let text = found.unwrap_err().to_string();
        for expected in expected {
            assert!(text.contains(expected), "{rules}: {text}");
        }
        assert!(text.contains("sources[access]"), "{text}");
    }
}

#[test]
fn every_mistake_says_document_line_and_column() {
    let text = "version: 1
name: shop
sources:
  - name: access
    files: {directory: /var/log, pattern: 'a('}
sinks:
  - name: out
    batchh: {}
    stdout: {}
  - name: errors
    when: status >= 500 && size(
    stdout: {}
pipeline:
  - alert: {name: errors, when: 'severity == \"ERROR\"', to: [pager]}
  - redact:
      pattern: ab(c
  - sources: [acess]
    drop: {when: \"true\"}
";
    let found = check_document("shop.yaml", text).unwrap_err().to_string();
    for expected in [
        "shop.yaml:5:45: sources[access].files.pattern is \"a(\": unclosed group at column 2",
        "shop.yaml:8:5: sinks[0].batchh: unknown field `batchh`",
        "sinks[errors].when is \"status >= 500 && size(\"",
        "shop.yaml:14:56: pipeline[0].alert.to is \"pager\": no such sink; write stderr or names",
        "shop.yaml:16:18: pipeline[1].redact.pattern is \"ab(c\": unclosed group at column 3",
        "shop.yaml:17:5: pipeline[2].sources is \"acess\": no such source",
    ] {
        assert!(found.contains(expected), "{expected}\n\n{found}");
    }
    assert_eq!(found.lines().count(), 6, "{found}");
    let columns: Vec<_> = found
        .lines()
        .filter_map(|line| line.strip_prefix("shop.yaml:11:"))
        .collect();
    let column = columns[0]
        .split(':')
        .next()
        .and_then(|text| text.parse::<usize>().ok());
    assert!(
        column.is_some_and(|column| column > 11),
        "inside of the condition: {found}"
    );
}

#[test]
fn paths_of_a_persons_document_are_what_they_say() {
    let text = "{version: 1, name: me, sources: [{name: a, files: {directory: logs, pattern: x}}],
        sinks: [{name: f, file: {path: ../out.json}}]}";
    let config = from_document(&environment(&[]), "me.yaml", text, None).unwrap();
    let SourceKind::Files(files) = &config.pipelines[0].sources[0].kind else {
        panic!("no files source")
    };
    let SinkKind::File(file) = &config.pipelines[0].sinks[0].kind else {
        panic!("no file sink")
    };
    assert_eq!(
        (files.directory.as_path(), file.path.as_path()),
        (Path::new("logs"), Path::new("./../out.json"))
    );
    assert!(config.state_directory.is_none() && !config.needs_api());
}

#[test]
fn document_of_a_person_needs_a_pod_only_for_container_output() {
    let text =
        "{version: 1, name: me, sources: [{name: a, containerOutput: {}}], sinks: [{name: o, stdout: {}}]}";
    let mistakes = from_document(&environment(&[]), "me.yaml", text, None).unwrap_err();
    assert!(mistakes.to_string().contains("POD_NAME is not set"), "{mistakes}");
}

#[test]
fn credentials_are_files_and_never_values() {
    for header in ["authorization", "Authorization", "Proxy-Authorization", "cookie"] {
        for kind in ["http", "loki", "otlp"] {
            let sinks =
                format!(r#"{{"name":"a","{kind}":{{"url":"http://x","headers":{{"{header}":"secret"}}}}}}"#);
            let mistakes =
                from_documents(&environment(&[]), &document(&sinks), Path::new("/state")).unwrap_err();
            let text = mistakes.to_string();
            assert!(
                text.contains(&format!("headers[{header}]")) && text.contains("as auth"),
                "{text}"
            );
            assert!(!text.contains("secret"), "{text}");
        }
    }
    for url in ["http://me:secret@host/", "http://secret@host/"] {
        let sinks = format!(r#"{{"name":"a","http":{{"url":"{url}"}}}}"#);
        let mistakes = from_documents(&environment(&[]), &document(&sinks), Path::new("/state")).unwrap_err();
        assert!(!mistakes.to_string().contains("secret"), "{mistakes}");
    }
    for auth in [
        r#""bearer":"secret""#,
        r#""basic":{"username":"me","password":"secret"}"#,
    ] {
        let sinks = format!(r#"{{"name":"a","http":{{"url":"http://x","auth":{{{auth}}}}}}}"#);
        assert!(
            from_documents(&environment(&[]), &document(&sinks), Path::new("/state")).is_err(),
            "{auth}"
        );
    }
}
