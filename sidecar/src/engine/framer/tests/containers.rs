//! Log files of containers.

use super::*;

const FORMATS: [Framing; 2] = [Framing::Cri, Framing::DockerJson];

/// A piece of a line as the format writes it.
fn piece(framing: Framing, stream: &str, is_last: bool, content: &str) -> String {
    match (framing, is_last) {
        (Framing::Cri, true) => cri(stream, "F", content),
        (Framing::Cri, false) => cri(stream, "P", content),
        (_, true) => docker(stream, &format!("{content}\n")),
        (_, false) => docker(stream, content),
    }
}

#[test]
fn records_carry_the_time_and_stream_of_their_line() {
    for framing in FORMATS {
        let mut run = Run::new(framing, None);
        run.push(piece(framing, "stdout", true, "out"))
            .push(piece(framing, "stderr", true, "err"));
        let found: Vec<_> = run
            .records
            .iter()
            .map(|record| (record.time, record.stream))
            .collect();
        let time = parse_rfc3339(b"2026-01-02T03:04:05.000000006Z");
        assert!(time.is_some());
        assert_eq!(
            found,
            [(time, Some(Stream::Stdout)), (time, Some(Stream::Stderr))]
        );
        assert_eq!(run.take(), ["out", "err"]);
    }
}

#[test]
fn pieces_of_interleaved_streams_are_joined_across_buffers() {
    for framing in FORMATS {
        let lines = [
            piece(framing, "stdout", false, "a"),
            piece(framing, "stderr", false, "1"),
            piece(framing, "stdout", false, "b"),
            piece(framing, "stderr", true, "2"),
            piece(framing, "stderr", true, "whole"),
            piece(framing, "stdout", true, "c"),
        ];
        for step in [1, 10, 1000] {
            let mut run = Run::new(framing, None);
            for chunk in lines.concat().as_bytes().chunks(step) {
                run.push(chunk);
            }
            assert_eq!(run.take(), ["12", "whole", "abc"]);
        }
    }
}

#[test]
fn pieces_are_joined_across_a_restart_and_what_the_other_stream_sent_is_not_repeated() {
    for framing in FORMATS {
        let before =
            piece(framing, "stdout", false, "beg") + &piece(framing, "stderr", true, "sent") + "junk\n";
        let after =
            piece(framing, "stdout", true, "in") + &piece(framing, "stderr", true, "new") + "more junk\n";
        let mut run = Run::new(framing, None);
        assert_eq!(run.push(&before).take(), ["sent", "junk"]);
        let position = run.framer.position();
        assert_eq!(position.offset, 0);
        assert_eq!(position.furthest(), before.len() as u64);
        let mut run = Run::at(&settings(framing, None), position);
        assert_eq!(run.push(before + &after).take(), ["begin", "new", "more junk"]);
        assert_eq!(run.framer.take_malformed(), 1);
        assert_eq!(run.framer.position().streams, None);
    }
}

#[test]
fn last_piece_that_never_comes_is_not_waited_for_longer_than_five_seconds() {
    for framing in FORMATS {
        let mut run = Run::new(framing, None);
        run.push(piece(framing, "stdout", false, "beg"))
            .wait(Duration::from_secs(4));
        run.push(piece(framing, "stderr", true, "other"))
            .wait(Duration::from_millis(999));
        assert_eq!(run.take(), ["other"]);
        assert_eq!(run.wait(Duration::from_millis(1)).take(), ["beg"]);
        assert!(run.framer.position().streams.unwrap().stdout.mid_record);
        // What comes late is a record of its own, and an empty end is nothing.
        run.push(piece(framing, "stdout", false, "i"))
            .push(piece(framing, "stdout", true, "n"));
        assert_eq!(run.take(), ["in"]);
        run.push(piece(framing, "stdout", false, "x"))
            .wait(Duration::from_secs(5));
        run.push(piece(framing, "stdout", true, ""))
            .push(piece(framing, "stdout", true, ""));
        assert_eq!(run.take(), ["x", ""]);
    }
}

#[test]
fn pieces_that_were_sent_before_the_restart_are_continued_after_it() {
    for framing in FORMATS {
        let text = piece(framing, "stdout", false, "beg");
        let mut run = Run::new(framing, None);
        assert_eq!(run.push(&text).wait(Duration::from_secs(5)).take(), ["beg"]);
        let mut run = Run::at(&settings(framing, None), run.framer.position());
        run.push(piece(framing, "stdout", true, ""))
            .push(piece(framing, "stdout", true, "next"));
        assert_eq!(run.take(), ["next"]);
    }
}

#[test]
fn pieces_go_on_in_the_file_after_a_rotation() {
    for framing in FORMATS {
        let (mut old, mut new) = (Run::new(framing, None), Run::new(framing, None));
        let text = piece(framing, "stderr", true, "x") + &piece(framing, "stdout", false, "beg");
        old.push(&text);
        let kept = old.framer.position();
        assert!(kept.offset < text.len() as u64);
        new.framer.inherit(&mut old.framer);
        assert!(!old.framer.is_open() && new.framer.holds_inheritance());
        assert_eq!(old.framer.position().offset, text.len() as u64);
        new.push(piece(framing, "stderr", true, "y"));
        assert_eq!(new.framer.position().offset, 0);
        new.push(piece(framing, "stdout", true, "in"));
        assert_eq!(new.take(), ["y", "begin"]);
        assert!(!new.framer.holds_inheritance());
    }
}

#[test]
fn carriage_returns_belong_to_the_end_of_a_line_and_not_of_a_piece() {
    for framing in FORMATS {
        let mut run = Run::new(framing, None);
        run.push(piece(framing, "stdout", true, "a\r"));
        run.push(piece(framing, "stdout", false, "b\r"))
            .push(piece(framing, "stdout", true, "c\r"));
        run.push(piece(framing, "stdout", false, "d\r"))
            .push(piece(framing, "stdout", true, ""));
        assert_eq!(run.take(), ["a", "b\rc", "d"]);
    }
}

#[test]
fn joined_record_of_max_and_max_plus_one_bytes_is_cut_and_marked_and_the_next_is_intact() {
    for framing in FORMATS {
        let mut run = Run::new(framing, None);
        let (half, fits) = ("x".repeat(MAX / 2), "x".repeat(MAX));
        let (half, fits, over) = (&half[..], &fits[..], &format!("{fits}y")[..]);
        for lines in [&[half, half][..], &[half, half, "y"], &[fits], &[over], &["next"]] {
            let (last, first) = lines.split_last().unwrap();
            for content in first {
                run.push(piece(framing, "stdout", false, content));
            }
            run.push(piece(framing, "stdout", true, last));
        }
        let over = Some(MAX as u64 + 1);
        let marks: Vec<_> = run.records.iter().map(|record| record.original_bytes).collect();
        assert_eq!(marks, [None, over, None, over, None]);
        assert_eq!(run.take(), [fits, fits, fits, fits, "next"]);
    }
}

#[test]
fn pieces_without_end_and_a_raw_line_of_100_mib_take_bounded_memory() {
    for framing in FORMATS {
        let mut run = large(framing, None);
        let text = piece(framing, "stdout", false, &"x".repeat(16 << 10));
        for _ in 0..6400 {
            run.push(&text);
            assert!(run.framer.capacity() <= (1 << 20) + (32 << 10));
        }
        run.push(piece(framing, "stdout", true, ""));
        assert_eq!(run.records.pop().unwrap().original_bytes, Some(100 << 20));
        let raw = cri("stdout", "F", &"x".repeat(100 << 20));
        for chunk in raw.as_bytes().chunks(128 << 10) {
            run.push(chunk);
            assert!(run.framer.capacity() <= (1 << 20) + (128 << 10));
        }
        run.push(piece(framing, "stdout", true, "next"));
        assert!(run.records[0].original_bytes >= Some(100 << 20));
        assert_eq!(
            (run.records[0].body.len(), &run.records[1].body[..]),
            (1 << 20, &b"next"[..])
        );
    }
}

#[test]
fn malformed_lines_pass_as_they_are_and_are_counted() {
    for framing in FORMATS {
        let mut run = Run::new(framing, None);
        run.push(piece(framing, "stdout", false, "a"));
        run.push("no such thing\r\n\n")
            .push(piece(framing, "stdin", true, "x"));
        run.push(piece(framing, "stdout", true, "b"));
        let last = run.records.last().unwrap();
        assert_eq!((&last.body[..], last.stream), (&b"ab"[..], Some(Stream::Stdout)));
        assert_eq!(
            (&run.records[0].body[..], run.records[0].stream),
            (&b"no such thing"[..], None)
        );
        assert_eq!(run.records.len(), 4);
        assert_eq!((run.framer.take_malformed(), run.framer.take_malformed()), (3, 0));
    }
}

#[test]
fn torn_last_line_is_waited_for_and_passes_when_nothing_more_can_come() {
    for framing in FORMATS {
        let line = piece(framing, "stdout", true, "content");
        let (torn, rest) = line.split_at(line.len() - 9);
        let mut run = Run::new(framing, None);
        assert_eq!(run.push(torn).wait(Duration::from_secs(60)).take(), [""; 0]);
        assert_eq!(run.push(rest).take(), ["content"]);
        assert_eq!(run.push(torn).flush().take().len(), 1);
        assert!(!run.framer.is_open());
        assert!(run.framer.position().mid_line);
    }
}

#[test]
fn docker_pieces_of_16_kib_with_escapes_are_one_record() {
    let text = "\u{1f600}\"\\\t\u{1}".repeat(8 << 10);
    let mut run = large(Framing::DockerJson, None);
    let mut rest = &text[..];
    while rest.len() > 16 << 10 {
        let (first, behind) = rest.split_at((16 << 10) / 8 * 8);
        run.push(docker("stderr", first));
        rest = behind;
    }
    run.push(docker("stderr", &format!("{rest}\n")));
    assert_eq!(run.take(), [text]);
}
