//! Records of several lines.

use super::*;

const JAVA: [&str; 2] = [
    "2026-01-02 03:04:05,006 ERROR [main] Boom\njava.lang.IllegalStateException: no\n\tat com.example.A.b(A.java:7)\n\tat com.example.Main.main(Main.java:3)\nCaused by: java.io.IOException: gone\n\t... 2 more",
    "2026-01-02 03:04:06,007 INFO [main] Fine",
];
const GO: [&str; 2] = [
    "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:8 +0x1b\nexit status 2",
    "2026/01/02 03:04:06 started",
];
const PYTHON: [&str; 3] = [
    "INFO:root:before",
    "ERROR:root:failed\nTraceback (most recent call last):\n  File \"a.py\", line 2, in <module>\n    f()\nValueError: no",
    "INFO:root:after",
];

/// The records that lie in a file with a newline after each, and each once more in a container's file.
fn check(multiline: Option<&Multiline>, records: &[&str]) {
    let text = text_of(records);
    let container: String = text.lines().map(|line| cri("stderr", "F", line)).collect();
    for (framing, text) in [(Framing::Lines, text), (Framing::Cri, container)] {
        for step in [1, 13, 10_000] {
            let mut run = large(framing, multiline.cloned());
            for chunk in text.as_bytes().chunks(step) {
                run.push(chunk);
            }
            run.wait(Duration::from_secs(2));
            assert_eq!(run.take(), records);
            assert!(!run.framer.is_open());
        }
    }
}

#[test]
fn traces_of_java_go_and_python_are_one_record_by_their_first_line() {
    check(starting(r"^\d{4}-\d{2}-\d{2} ").as_ref(), &JAVA);
    check(starting(r"^(panic: |\d{4}/\d{2}/\d{2} )").as_ref(), &GO);
    check(starting(r"^[A-Z]+:\w+:").as_ref(), &PYTHON);
}

#[test]
fn records_are_found_by_their_last_line() {
    check(
        ending(r";$").as_ref(),
        &["select *\n  from a\n where b;", "commit;", "\n\nselect 1;"],
    );
    check(ending(r"^(exit status \d+|\d{4}/.*)$").as_ref(), &GO);
}

#[test]
fn lines_before_the_first_match_are_a_record_of_their_own() {
    check(starting("^#").as_ref(), &["tail of\nsomething", "# a\nb", "# c"]);
}

#[test]
fn pattern_that_never_matches_gives_records_of_the_most_lines() {
    for mut multiline in [starting("never"), ending("never")] {
        multiline.as_mut().unwrap().lines_max = 3;
        let mut run = Run::new(Framing::Lines, multiline);
        assert_eq!(run.push("a\nb\nc\nd\ne\nf\ng\n").take(), ["a\nb\nc", "d\ne\nf"]);
        assert_eq!(run.wait(Duration::from_secs(2)).take(), ["g"]);
    }
}

#[test]
fn record_of_too_many_bytes_is_cut_and_marked_and_the_next_is_intact() {
    let mut run = Run::new(Framing::Lines, starting("^#"));
    let line = "x".repeat(MAX - 10);
    run.push(format!("#\n{line}\n{line}\n# next\n#\n"));
    let original = 1 + 2 * (1 + line.len());
    assert_eq!(run.records[0].original_bytes, Some(original as u64));
    let whole = format!("#\n{line}\n{line}");
    assert_eq!(run.take(), [&whole[..MAX], "# next"]);
}

#[test]
fn trace_of_10_000_lines_is_one_record() {
    let frames = "\tat a.B.c(B.java:7)\n".repeat(9_999);
    let mut multiline = starting("^[^\t]");
    multiline.as_mut().unwrap().lines_max = 10_000;
    let mut run = large(Framing::Lines, multiline);
    for chunk in format!("Exception\n{frames}next\n").as_bytes().chunks(4096) {
        run.push(chunk);
    }
    let records = run.take();
    assert_eq!((records.len(), records[0].lines().count()), (1, 10_000));
    assert_eq!(run.wait(Duration::from_secs(2)).take(), ["next"]);
}

#[test]
fn trace_goes_on_in_the_file_after_a_rotation() {
    let multiline = starting("^#");
    let (mut old, mut new) = (
        Run::new(Framing::Lines, multiline.clone()),
        Run::new(Framing::Lines, multiline),
    );
    assert_eq!(old.push("# a\n# b\n 1\n").take(), ["# a"]);
    assert_eq!(old.framer.position().offset, 4);
    new.framer.inherit(&mut old.framer);
    assert_eq!(new.push(" 2\n").framer.position().offset, 0);
    assert_eq!(new.push("# c\n").take(), ["# b\n 1\n 2"]);
    assert_eq!(new.framer.position().offset, 3);
    assert!(!new.framer.holds_inheritance() && !old.framer.is_open());
}

#[test]
fn continuation_after_the_timeout_is_a_record_of_its_own() {
    let mut run = Run::new(Framing::Lines, starting("^#"));
    assert_eq!(
        run.push("# a\n 1\n").wait(Duration::from_millis(1999)).take(),
        [""; 0]
    );
    assert_eq!(run.push(" 2\n").wait(Duration::from_millis(1999)).take(), [""; 0]);
    assert_eq!(run.wait(Duration::from_millis(1)).take(), ["# a\n 1\n 2"]);
    assert_eq!(run.push(" 3\n 4\n# b\n").take(), [" 3\n 4"]);
}

#[test]
fn open_line_goes_with_its_record_and_its_rest_is_a_record_of_its_own() {
    let mut run = Run::new(Framing::Lines, starting("^#"));
    assert_eq!(
        run.push("# a\n ha").wait(Duration::from_millis(4999)).take(),
        [""; 0]
    );
    assert_eq!(run.wait(Duration::from_millis(1)).take(), ["# a\n ha"]);
    assert!(run.framer.position().mid_line);
    assert_eq!(run.push("lf\n x\n# b\n").take(), ["lf\n x"]);
}

#[test]
fn traces_of_two_streams_do_not_mix() {
    let mut run = Run::new(Framing::Cri, starting("^#"));
    for (stream, line) in [
        ("stdout", "# a"),
        ("stderr", "# b"),
        ("stdout", " 1"),
        ("stderr", " 2"),
    ] {
        run.push(cri(stream, "F", line));
    }
    assert_eq!(run.wait(Duration::from_secs(2)).take(), ["# a\n 1", "# b\n 2"]);
}
