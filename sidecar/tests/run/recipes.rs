//! Every recipe does what its folder says, by the real binary: `expected.out` on standard output, `expected.alerts` on standard error,
//! `expected.metrics` at /metrics, and any other `expected.NAME` in the file NAME.
//! `UPDATE=1 cargo test -p logship --test run recipes` writes what is there.

use crate::support::{Place, Running, ask_admin, eventually, finish, free_port};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/recipes")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A place with a copy of the recipe.
fn copy(recipe: &str) -> Place {
    let place = Place::new();
    let from = folder().join(recipe);
    for name in names(&from.join("logs")) {
        std::fs::copy(from.join("logs").join(&name), place.path("logs").join(&name)).unwrap();
    }
    std::fs::copy(from.join("logship.yaml"), place.path("logship.yaml")).unwrap();
    place
}

/// What a run brings forth, by the name after `expected.`.
fn brought(recipe: &str) -> BTreeMap<String, String> {
    let place = copy(recipe);
    let began = jiff::Timestamp::now().to_string();
    let mut command = place.binary();
    command
        .current_dir(place.root.path())
        .args(["run", "--once", "--config", "logship.yaml"]);
    let output = finish(&mut command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{recipe}: {said}");
    let mut brought = BTreeMap::new();
    brought.insert(
        "out".to_owned(),
        without_now(&String::from_utf8(output.stdout).unwrap(), &began),
    );
    let alerts: String = said
        .lines()
        .filter(|line| line.starts_with("{\"alert\""))
        .flat_map(|line| [line, "\n"])
        .collect();
    if !alerts.is_empty() {
        brought.insert("alerts".to_owned(), alerts);
    }
    for name in names(place.root.path()) {
        let is_ours = ["logs", "logship.yaml", "stdout", "stderr"].contains(&name.as_str());
        if !is_ours {
            let text = std::fs::read_to_string(place.path(&name)).unwrap();
            brought.insert(name, text);
        }
    }
    let document = std::fs::read_to_string(place.path("logship.yaml")).unwrap();
    if document.contains("count:") {
        brought.insert("metrics".to_owned(), metrics(recipe));
    }
    brought
}

/// The user's own metrics of a run that goes on until they are complete.
fn metrics(recipe: &str) -> String {
    let place = copy(recipe);
    let port = free_port();
    let mut command = place.binary();
    command.current_dir(place.root.path()).args([
        "run",
        "--config",
        "logship.yaml",
        "--admin-port",
        &port.to_string(),
    ]);
    let running = Running::start(&mut command);
    let lines: usize = names(&place.path("logs"))
        .iter()
        .map(|name| {
            std::fs::read_to_string(place.path("logs").join(name))
                .unwrap()
                .lines()
                .count()
        })
        .sum();
    let read = format!("logship_records_total {lines}\n");
    let answer = eventually("every record is counted", || {
        let answer = ask_admin(port, "/metrics");
        answer.contains(&read).then_some(answer)
    });
    assert_eq!(running.terminate(), Some(0));
    let is_own = |line: &&str| {
        line.starts_with(|first: char| first.is_ascii_lowercase())
            && line.contains("_total")
            && !line.starts_with("logship_")
    };
    answer
        .lines()
        .filter(is_own)
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Times of records that have none of their own are those of the run.
fn without_now(text: &str, began: &str) -> String {
    let seconds = "2025-10-10T13:55:36".len();
    let line = |line: &str| {
        let time = line
            .strip_prefix("{\"timestamp\":\"")
            .and_then(|rest| rest.split('"').next());
        match time {
            Some(time) if time[..seconds] >= began[..seconds] => line.replacen(time, "NOW", 1),
            _ => line.to_owned(),
        }
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn every_recipe_does_what_its_folder_says() {
    let recipes: Vec<_> = names(&folder())
        .into_iter()
        .filter(|name| folder().join(name).is_dir())
        .collect();
    assert!(recipes.len() >= 8, "{recipes:?}");
    let mut wrong = Vec::new();
    for recipe in &recipes {
        let brought = brought(recipe);
        let home = folder().join(recipe);
        if is_update() {
            for (name, text) in &brought {
                std::fs::write(home.join(format!("expected.{name}")), text).unwrap();
            }
        }
        let expected = names(&home).into_iter().filter_map(|file| {
            let name = file.strip_prefix("expected.")?.to_owned();
            Some((name, std::fs::read_to_string(home.join(&file)).unwrap()))
        });
        let expected: BTreeMap<_, _> = expected.collect();
        if expected != brought {
            wrong.push(format!("{recipe}: expected {expected:#?}, found {brought:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn page_of_recipes_names_every_recipe() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for recipe in names(&folder())
        .iter()
        .filter(|name| folder().join(name).is_dir())
    {
        assert!(
            page.contains(&format!("]({recipe}/logship.yaml)")),
            "{recipe} is missing"
        );
    }
}

fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some()
}
