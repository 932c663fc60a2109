//! Files of lines.

use super::*;

fn bodies(text: &[u8]) -> Vec<Vec<u8>> {
    let mut run = Run::new(Framing::Lines, None);
    run.push(text);
    run.records.into_iter().map(|record| record.body).collect()
}

#[test]
fn lines_end_at_newline_or_crlf_and_empty_lines_lone_returns_nul_and_invalid_utf8_are_kept() {
    assert_eq!(
        bodies(b"a\r\n\nb\rc\n\0\xff\n\r\n\r\r\nrest"),
        [&b"a"[..], b"", b"b\rc", b"\0\xff", b"", b"\r"]
    );
}

#[test]
fn record_inside_one_chunk_is_not_copied() {
    let chunk = b"first\nsecond\n";
    let mut framer = Framer::new(settings(Framing::Lines, None), FramePosition::default());
    framer.push(Tick::ZERO, b"\n", |_| {});
    framer.push(Tick::ZERO, chunk, |frame| {
        assert!(chunk.as_ptr_range().contains(&frame.body.as_ptr()));
    });
    assert_eq!(framer.capacity(), 0);
}

#[test]
fn lines_of_max_and_max_plus_one_bytes_are_whole_and_marked() {
    for end in ["\n", "\r\n"] {
        for step in [1, 7, 1000] {
            let fits = "x".repeat(MAX);
            let text = format!("{fits}{end}{fits}y{end}{fits}\r{end}next{end}");
            let mut run = Run::new(Framing::Lines, None);
            for chunk in text.as_bytes().chunks(step) {
                run.push(chunk);
            }
            let marks: Vec<_> = run.records.iter().map(|record| record.original_bytes).collect();
            let over = Some(MAX as u64 + 1);
            // A carriage return before a newline is no part of a line; the second one is.
            let third = if end == "\n" { None } else { over };
            assert_eq!(marks, [None, over, third, None], "{end:?} {step}");
            assert_eq!(run.take(), [&fits, &fits, &fits, "next"]);
        }
    }
}

#[test]
fn line_of_100_mib_takes_bounded_memory_is_marked_and_the_next_line_is_intact() {
    let mut run = large(Framing::Lines, None);
    let chunk = vec![b'x'; 128 << 10];
    for _ in 0..800 {
        run.push(&chunk);
        assert!(run.framer.capacity() <= (1 << 20) + 1);
    }
    run.push("\nnext\n");
    assert_eq!(run.records[0].body.len(), 1 << 20);
    assert_eq!(run.records[0].original_bytes, Some(100 << 20));
    assert_eq!(run.records[1].body, b"next");
    assert_eq!(run.framer.capacity(), 0);
}

#[test]
fn last_line_without_newline_is_completed_later_once_and_whole() {
    let mut run = Run::new(Framing::Lines, None);
    run.push("half").wait(Duration::from_secs(4));
    assert!(run.records.is_empty());
    assert_eq!(run.push(" and half\n").take(), ["half and half"]);
}

#[test]
fn last_line_without_newline_is_sent_after_a_timeout_and_continued_not_repeated() {
    let mut run = Run::new(Framing::Lines, None);
    assert_eq!(run.push("half").wait(Duration::from_secs(5)).take(), ["half"]);
    assert_eq!(run.push("\r\nnext\n").take(), ["next"]);
    assert_eq!(run.push("ha").wait(Duration::from_secs(5)).take(), ["ha"]);
    assert_eq!(run.push("lf\n\n").take(), ["lf", ""]);
}

#[test]
fn last_line_without_newline_is_once_and_whole_across_a_restart() {
    let mut run = Run::new(Framing::Lines, None);
    let text = b"first\nhalf";
    assert_eq!(run.push(text).take(), ["first"]);
    let position = run.framer.position();
    let mut run = Run::at(&settings(Framing::Lines, None), position);
    let rest = &b"first\nhalf and half\n"[usize::try_from(position.offset).unwrap()..];
    assert_eq!(run.push(rest).take(), ["half and half"]);
}

#[test]
fn line_sent_without_its_newline_is_continued_after_a_restart() {
    let mut run = Run::new(Framing::Lines, None);
    run.push("half").flush();
    let position = run.framer.position();
    assert_eq!((position.offset, position.mid_line), (4, true));
    for (rest, expected) in [("\nnext\n", &["next"][..]), (" more\nnext\n", &[" more", "next"])] {
        let mut run = Run::at(&settings(Framing::Lines, None), position);
        assert_eq!(run.push(rest).take(), expected);
    }
}

#[test]
fn byte_order_mark_of_utf8_is_no_part_of_the_first_record() {
    for step in 1..5 {
        let mut run = Run::new(Framing::Lines, None);
        for chunk in b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n".chunks(step) {
            run.push(chunk);
        }
        assert_eq!(run.take(), ["a", "\u{feff}b"]);
    }
}

#[test]
fn beginning_of_a_byte_order_mark_and_nothing_more_is_text() {
    let mut run = Run::new(Framing::Lines, None);
    run.push(b"\xff").wait(Duration::from_secs(5));
    assert_eq!(run.records[0].body, b"\xff");
    assert_eq!(run.framer.position().offset, 1);
    assert_eq!(run.push("a\n").records[1].body, b"a");
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if little {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        })
        .collect()
}

#[test]
fn utf16_is_recognised_by_its_mark_and_becomes_utf8() {
    // U+0A0A and U+0D0A hold the bytes of a newline and are none.
    let text = "gr\u{fc}n\r\n\n\u{1f600}\u{a0a}\u{d0a}\n";
    for little in [true, false] {
        for step in 1..7 {
            let mut run = Run::new(Framing::Lines, None);
            for chunk in utf16(text, little).chunks(step) {
                run.push(chunk);
            }
            assert_eq!(
                run.take(),
                ["gr\u{fc}n", "", "\u{1f600}\u{a0a}\u{d0a}"],
                "{little} {step}"
            );
        }
    }
}

#[test]
fn broken_surrogates_of_utf16_are_replaced_and_lose_no_newline() {
    let units = [
        0xfeff, 0xd83d, 0x0061, 0xd83d, 0xd83d, 0xde00, 0xde00, 0xd83d, 0x000a, 0x0062, 0x000a,
    ];
    let bytes: Vec<u8> = units.iter().flat_map(|unit: &u16| unit.to_be_bytes()).collect();
    let mut run = Run::new(Framing::Lines, None);
    assert_eq!(
        run.push(&bytes).take(),
        ["\u{fffd}a\u{fffd}\u{1f600}\u{fffd}\u{fffd}", "b"]
    );
}

#[test]
fn utf16_goes_on_after_a_restart_also_where_reading_began_inside_a_unit() {
    let bytes = utf16("ab\ncd\n", true);
    for (offset, expected) in [(4, &["b", "cd"][..]), (5, &["", "cd"]), (8, &["cd"])] {
        let at = FramePosition::at(offset, &bytes);
        let mut run = Run::at(&settings(Framing::Lines, None), at);
        assert_eq!(
            run.push(&bytes[usize::try_from(offset).unwrap()..]).take(),
            expected
        );
    }
}
