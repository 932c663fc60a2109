//! What the README says of the sidecar on its own is so.

use crate::support::{Place, finish};
use serde_json::Value;
use std::path::Path;

/// The document that the README begins with, on the place's logs.
fn document(place: &Place) -> String {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n## The sidecar on its own\n").unwrap();
    let (_, block) = section.split_once("```yaml\n# try.yaml\n").unwrap();
    let (document, _) = block.split_once("```").unwrap();
    let directory = place.path("logs").display().to_string();
    let here = document.replace("/var/log/nginx", &directory);
    assert_ne!(here, document);
    here
}

#[test]
fn document_of_the_readme_is_right_and_ships_what_the_section_says() {
    let place = Place::new();
    std::fs::write(place.path("try.yaml"), document(&place)).unwrap();
    let line = |status: u16| {
        format!("::1 - - [02/Jan/2026:03:04:05 +0000] \"GET / HTTP/1.1\" {status} 1 \"-\" \"-\"\n")
    };
    place.append("access.log", &[200, 404, 304, 503].map(line).concat());
    let run = |arguments: &[&str]| {
        let mut command = place.binary();
        finish(command.current_dir(place.root.path()).args(arguments))
    };
    let checked = run(&["check", "try.yaml"]);
    assert_eq!(checked.status.code(), Some(0), "{checked:?}");
    let ran = run(&["run", "--once", "--config", "try.yaml"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    let text = String::from_utf8(ran.stdout).unwrap();
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<_> = records
        .map(|record| {
            (
                record["fields"]["status_code"].as_u64(),
                record["severity"].clone(),
            )
        })
        .collect();
    assert_eq!(found, [(Some(404), "WARN".into()), (Some(503), "ERROR".into())]);
}
