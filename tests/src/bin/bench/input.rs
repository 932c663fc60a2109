//! What the shippers read: lines that are the same on every machine, each with a number of its own.
//!
//! The number is the marker [`MARKER`] and nine digits. No encoding of a sink changes it, so that it can be found again in
//! whatever a shipper sends.

use anyhow::{Context, Result};
use fastrand::Rng;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Stands before the number of a line.
pub const MARKER: &str = "seq-";
/// How many digits the number has.
pub const DIGITS: usize = 9;
/// Length of a CRI line with its newline.
const CRI_BYTES: usize = 243;
/// Base name of each input: what the configurations name.
pub const FILE_NAME: &str = "input.log";

/// What the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// 243 bytes as a container runtime writes them, around a line of an application.
    Cri,
    /// The same length, around a JSON object.
    CriJson,
    /// nginx's access log in the combined format.
    Nginx,
}

impl Content {
    /// As it stands in reports and paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cri => "cri",
            Self::CriJson => "cri-json",
            Self::Nginx => "nginx",
        }
    }

    /// Line `number`, with its newline.
    pub fn line(self, number: usize) -> String {
        // Seeded by the number: any part of an input can be made alone.
        let mut random = Rng::with_seed(number as u64);
        match self {
            Self::Cri => cri(number, &logfmt(number, &mut random), "", &mut random),
            Self::CriJson => cri(number, &object(number, &mut random), "\"}", &mut random),
            Self::Nginx => nginx(number, &mut random),
        }
    }
}

/// The file with `lines` lines below `folder`, made if it is not there.
///
/// # Errors
/// When it cannot be written.
pub fn file(folder: &Path, content: Content, lines: usize) -> Result<PathBuf> {
    let directory = folder.join(format!("{}-{lines}", content.name()));
    let path = directory.join(FILE_NAME);
    if !path.exists() {
        fs::create_dir_all(&directory)?;
        let partial = directory.join("partial");
        let mut file = BufWriter::new(File::create(&partial).context("failed to create the input")?);
        for number in 0..lines {
            file.write_all(content.line(number).as_bytes())?;
        }
        file.into_inner().context("failed to write the input")?;
        fs::rename(partial, &path)?;
    }
    Ok(path)
}

/// `TIME STREAM F CONTENT`, with words between the content and its end up to the common length.
fn cri(number: usize, content: &str, end: &str, random: &mut Rng) -> String {
    const WORDS: [&str; 8] = [
        "cart", "order", "payment", "cache", "retry", "shard", "queue", "session",
    ];
    let stream = if random.u8(..) < 230 { "stdout" } else { "stderr" };
    let mut line = format!(
        "2026-01-02T{}.{:09}Z {stream} F {content}",
        time(number),
        random.u32(..1_000_000_000)
    );
    let filled = CRI_BYTES - 1 - end.len();
    while line.len() < filled {
        line.push(' ');
        line.push_str(WORDS[random.usize(..WORDS.len())]);
    }
    line.truncate(filled);
    line.push_str(end);
    line.push('\n');
    line
}

fn logfmt(number: usize, random: &mut Rng) -> String {
    format!(
        "level={} msg=\"request served\" id={MARKER}{number:09} trace={:016x} status={} bytes={} ms={}.{:02} note=",
        level(random),
        random.u64(..),
        status(random),
        random.u32(..100_000),
        random.u32(..400),
        random.u32(..100),
    )
}

fn object(number: usize, random: &mut Rng) -> String {
    format!(
        r#"{{"level":"{}","msg":"request served","id":"{MARKER}{number:09}","trace":"{:016x}","status":{},"bytes":{},"ms":{}.{:02},"note":""#,
        level(random),
        random.u64(..),
        status(random),
        random.u32(..100_000),
        random.u32(..400),
        random.u32(..100),
    )
}

fn nginx(number: usize, random: &mut Rng) -> String {
    format!(
        "10.{}.{}.{} - - [02/Jan/2026:{} +0000] \"GET /items/{MARKER}{number:09}?page={} HTTP/1.1\" {} {} \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0 Safari/537.36\"\n",
        random.u8(..),
        random.u8(..),
        random.u8(..),
        time(number),
        random.u8(..40),
        status(random),
        random.u32(..100_000),
        random.u8(90..140),
    )
}

/// A clock that moves on by a second each 1 000 lines.
fn time(number: usize) -> String {
    let seconds = number / 1_000;
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn level(random: &mut Rng) -> &'static str {
    match random.u8(..) {
        0..200 => "info",
        200..240 => "debug",
        240..252 => "warn",
        252.. => "error",
    }
}

fn status(random: &mut Rng) -> u16 {
    match random.u8(..) {
        0..230 => 200,
        230..245 => 304,
        245..253 => 404,
        253.. => 502,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cri_lines_have_the_length_that_the_targets_name() {
        for content in [Content::Cri, Content::CriJson] {
            for number in [0, 999_999_999] {
                assert_eq!(content.line(number).len(), 243, "{}", content.line(number));
            }
        }
    }

    #[test]
    fn the_content_of_a_json_line_is_an_object() {
        let line = Content::CriJson.line(7);
        let content: Vec<&str> = line.splitn(4, ' ').collect();
        let object: serde_json::Value = serde_json::from_str(content[3]).unwrap();
        assert_eq!(object["id"], "seq-000000007");
    }

    #[test]
    fn a_line_is_the_same_each_time_and_unlike_the_next() {
        for content in [Content::Cri, Content::CriJson, Content::Nginx] {
            assert_eq!(content.line(5), content.line(5));
            assert_ne!(content.line(5), content.line(6));
        }
    }
}
