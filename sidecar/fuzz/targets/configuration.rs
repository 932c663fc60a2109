//! A document of the configuration, in YAML or JSON: every mistake has a place in it, and an engine by a right one lives.

use super::life;
use logship::config::{Environment, Mistake, Mistakes, check_document, from_document};
use logship::engine::checkpoint::Identity;
use logship_crd::agent_config::AgentConfig;
use std::collections::BTreeMap;

const NAME: &str = "shop.yaml";

/// The bytes are the document.
pub fn target(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(Mistakes(mistakes)) = check_document(NAME, &text) {
        assert!(!mistakes.is_empty());
        for mistake in &mistakes {
            has_a_place(mistake, &text);
        }
    }
    let pod = ["POD_NAME", "POD_NAMESPACE"].map(|name| (name.to_owned(), "shop".to_owned()));
    let environment = Environment::from(pod);
    let Ok(config) = from_document(&environment, NAME, &text, None) else {
        return;
    };
    if let Ok(document) = serde_json::from_str::<AgentConfig>(&text) {
        let written = serde_json::to_string(&document).expect("a document is JSON");
        let again = from_document(&environment, NAME, &written, None);
        assert!(again.is_ok(), "what is written again is not right: {again:?}");
    }
    let identity = Identity { device: 1, inode: 2 };
    let world = life::World {
        files: BTreeMap::from([("a.log".to_owned(), identity)]),
        ..life::World::default()
    };
    life::live(&config, None, world);
}

fn has_a_place(mistake: &Mistake, text: &str) {
    let Mistake::Document { at, .. } = mistake else {
        panic!("{mistake} has no place");
    };
    // In YAML a carriage return ends a line, too.
    let lines = 1 + text.matches(['\n', '\r']).count();
    assert!(
        (1..=lines).contains(&at.line) && at.column >= 1,
        "{mistake}: {lines} lines"
    );
}
