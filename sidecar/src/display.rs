//! What a person at a terminal is shown of the pipelines, as lines. Pure: two moments, the seconds between them, and a size.
//!
//! No line is longer than the terminal is wide, there are fewer of them than it is high, and no name that comes from outside can
//! move its cursor.

use crate::engine::status::{ContainerStatus, FilesStatus, PipelineStatus, SinkStatus};
use std::fmt::Write as _;

/// Files of a source that are shown by name.
const FILES_SHOWN: usize = 4;

/// What is shown, and on how much room.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The pipelines a while ago.
    pub before: &'a [PipelineStatus],
    /// The pipelines now.
    pub now: &'a [PipelineStatus],
    /// Seconds between the two.
    pub seconds: f64,
    /// Columns of the terminal.
    pub width: usize,
    /// Rows of the terminal.
    pub height: usize,
}

/// The block.
pub fn lines(view: View<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for now in view.now {
        let before = view.before.iter().find(|before| before.name == now.name);
        pipeline(before.unwrap_or(now), now, view.seconds, &mut lines);
    }
    let room = view.height.saturating_sub(1).max(1);
    if lines.len() > room {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(format!("… {more} more lines"));
    }
    lines.iter().map(|line| cut(line, view.width)).collect()
}

/// One line of what a pipeline did from its start to its end.
pub fn summary(end: &PipelineStatus, seconds: f64) -> String {
    let mut line = format!("{}: {} records read", clean(&end.name), end.records);
    for sink in &end.sinks {
        let _ = write!(line, ", {} sent to {}", sink.sent, clean(&sink.name));
        for (count, what) in [(sink.rejected, "refused"), (sink.dropped, "dropped")] {
            if count > 0 {
                let _ = write!(line, " ({count} {what})");
            }
        }
    }
    let _ = write!(line, ", in {seconds:.1} s");
    line
}

fn pipeline(before: &PipelineStatus, now: &PipelineStatus, seconds: f64, lines: &mut Vec<String>) {
    lines.push(format!("{}  {} records", clean(&now.name), now.records));
    for (index, source) in now.files.iter().enumerate() {
        let before = before.files.get(index).unwrap_or(source);
        files(before, source, seconds, lines);
    }
    for (index, source) in now.containers.iter().enumerate() {
        let before = before.containers.get(index).unwrap_or(source);
        lines.push(container(before, source, seconds));
    }
    for (index, sink) in now.sinks.iter().enumerate() {
        let before = before.sinks.get(index).unwrap_or(sink);
        lines.push(self::sink(before, sink, seconds));
    }
}

fn files(before: &FilesStatus, now: &FilesStatus, seconds: f64, lines: &mut Vec<String>) {
    let count = now.positions.len();
    lines.push(format!(
        "  source {}  {count} {}, {} records/s, {}/s, {} not read yet",
        clean(&now.source),
        if count == 1 { "file" } else { "files" },
        short(rate(before.records, now.records, seconds)),
        bytes(rate(before.bytes, now.bytes, seconds)),
        bytes(precise(now.lag_bytes)),
    ));
    for (name, position) in now.positions.iter().take(FILES_SHOWN) {
        lines.push(format!("    {} at {}", clean(name), bytes(precise(*position))));
    }
    if count > FILES_SHOWN {
        lines.push(format!("    and {} more", count - FILES_SHOWN));
    }
}

fn container(before: &ContainerStatus, now: &ContainerStatus, seconds: f64) -> String {
    let names: Vec<_> = now.positions.iter().map(|(name, _)| clean(name)).collect();
    format!(
        "  source {}  output of {}, {} records/s, {}/s",
        clean(&now.source),
        if names.is_empty() {
            "no container yet".to_owned()
        } else {
            names.join(", ")
        },
        short(rate(before.records, now.records, seconds)),
        bytes(rate(before.bytes, now.bytes, seconds)),
    )
}

fn sink(before: &SinkStatus, now: &SinkStatus, seconds: f64) -> String {
    let mut line = format!(
        "  sink {}  {} sent, {} records/s",
        clean(&now.name),
        now.sent,
        short(rate(before.sent, now.sent, seconds)),
    );
    let troubles = [
        (now.retries, "sent again"),
        (now.rejected, "refused"),
        (now.lost, "of them lost"),
        (now.dropped, "dropped"),
    ];
    for (count, what) in troubles.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(line, ", {count} {what}");
    }
    if let Some(error) = &now.error {
        let _ = write!(line, ", fails: {}", clean(error));
    }
    line
}

fn rate(before: u64, now: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        precise(now.saturating_sub(before)) / seconds
    } else {
        0.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
fn precise(count: u64) -> f64 {
    count as f64
}

fn short(value: f64) -> String {
    scaled(value, &["", " k", " M", " G"])
}

fn bytes(value: f64) -> String {
    scaled(value, &[" B", " kB", " MB", " GB", " TB", " PB", " EB"])
}

/// In the unit that leaves at most three digits before the point.
fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    let mut digits = 0;
    while value >= 999.5
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = next;
        digits = 1;
    }
    format!("{value:.digits$}{unit}")
}

/// Without what a terminal would obey.
fn clean(text: &str) -> String {
    text.replace(char::is_control, "?")
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(records: u64, error: Option<&str>) -> PipelineStatus {
        PipelineStatus {
            name: "shop".to_owned(),
            generation: 1,
            records,
            in_flight_bytes: 0,
            reading_stops: 0,
            suppressed_alerts: 0,
            files: vec![FilesStatus {
                source: "access".to_owned(),
                records,
                bytes: records * 100,
                lag_bytes: 4_500_000,
                files: 1,
                open_files: 1,
                positions: vec![("a.log".to_owned(), 1_234_000)],
                ..FilesStatus::default()
            }],
            containers: Vec::new(),
            spills: Vec::new(),
            steps: Vec::new(),
            counts: Vec::new(),
            sinks: vec![SinkStatus {
                name: "bus".to_owned(),
                sent: records,
                retries: u64::from(error.is_some()) * 3,
                error: error.map(str::to_owned),
                ..SinkStatus::default()
            }],
        }
    }

    fn view<'a>(before: &'a [PipelineStatus], now: &'a [PipelineStatus]) -> View<'a> {
        View {
            before,
            now,
            seconds: 0.5,
            width: 100,
            height: 24,
        }
    }

    #[test]
    fn block_shows_files_positions_lag_rates_and_sinks() {
        let (before, now) = ([status(1000, None)], [status(7000, Some("connection refused"))]);
        let expected = [
            "shop  7000 records",
            "  source access  1 file, 12.0 k records/s, 1.2 MB/s, 4.5 MB not read yet",
            "    a.log at 1.2 MB",
            "  sink bus  7000 sent, 12.0 k records/s, 3 sent again, fails: connection refused",
        ];
        assert_eq!(lines(view(&before, &now)), expected);
    }

    #[test]
    fn first_look_has_no_rate() {
        let now = [status(7000, None)];
        assert!(lines(view(&[], &now))[1].contains(" 0 records/s, 0 B/s"));
    }

    #[test]
    fn block_fits_the_terminal() {
        let mut long = status(1, Some(&"x".repeat(500)));
        long.files[0].positions = (0..50).map(|number| (format!("\u{e4}{number}.log"), 1)).collect();
        let statuses = [long.clone(), long];
        for (width, height) in [(1, 1), (20, 3), (80, 9), (10, 100)] {
            let lines = lines(View {
                width,
                height,
                ..view(&[], &statuses)
            });
            assert!(lines.len() < height.max(2), "{height}: {lines:#?}");
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{width}: {lines:#?}"
            );
        }
        let all = lines(View {
            height: 100,
            ..view(&[], &statuses)
        });
        assert!(all.contains(&"    and 46 more".to_owned()), "{all:#?}");
    }

    #[test]
    fn names_from_outside_cannot_move_the_cursor() {
        let mut status = status(1, Some("bad\x1b[2J\nanswer"));
        status.files[0].positions[0].0 = "a\x1b[1A\u{9b}.log".to_owned();
        let lines = lines(view(&[], std::slice::from_ref(&status)));
        assert!(!lines.concat().contains(char::is_control), "{lines:#?}");
    }

    #[test]
    fn summary_says_what_was_read_sent_and_refused() {
        let mut end = status(12, None);
        end.sinks[0].sent = 10;
        end.sinks[0].rejected = 2;
        assert_eq!(
            summary(&end, 1.25),
            "shop: 12 records read, 10 sent to bus (2 refused), in 1.2 s"
        );
    }

    #[test]
    fn numbers_keep_three_digits_before_the_point() {
        let shown = [0.0, 999.4, 999.6, 1_500_000.0].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "1.5 MB"]);
        assert_eq!(bytes(precise(u64::MAX)), "18.4 EB");
        assert_eq!(short(precise(u64::MAX)), "18446744073.7 G");
    }
}
