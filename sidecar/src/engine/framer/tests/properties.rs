//! What holds for every input, framing and rule.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

/// Small enough that many records are longer.
const SMALL_MAX: usize = 12;

/// Bits from which files of all framings are made; every framer gets all of them.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<Vec<u8>> = [
        "# start",
        "end;",
        "\n",
        "\r\n",
        "\r",
        " more",
        "\0",
        "\u{fc}\u{1f600}",
        "long enough to be cut",
        "2026-01-02T03:04:05.000000006Z stdout F ",
        "2026-01-02T03:04:05Z stderr P:x ",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let line = (
        select(vec!["stdout", "stderr"]),
        select(vec!["F", "P"]),
        ".{0,3}|# start|end;|.{10,16}\r?",
    );
    let container = line.prop_map(|(stream, tag, text)| cri(stream, tag, &text).into_bytes());
    let line = (
        select(vec!["stdout", "stderr"]),
        ".{0,3}|# start|end;|.{10,16}",
        select(vec!["", "\n", "\r\n"]),
    );
    let object = line.prop_map(|(stream, text, end)| docker(stream, &format!("{text}{end}")).into_bytes());
    prop_oneof![
        select(known),
        container,
        object,
        proptest::collection::vec(any::<u8>(), 1..3),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let head = select(vec![&b""[..], b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"]);
    let text = proptest::collection::vec(fragment(), 0..14);
    (head, text).prop_map(|(head, text)| {
        let bytes = text.concat();
        match head {
            [first @ (0xfe | 0xff), _] => {
                let units = String::from_utf8_lossy(&bytes).into_owned();
                let units = units.encode_utf16().map(|unit| {
                    if *first == 0xff {
                        unit.to_le_bytes()
                    } else {
                        unit.to_be_bytes()
                    }
                });
                head.iter().copied().chain(units.flatten()).collect()
            }
            _ => [head, &bytes].concat(),
        }
    })
}

fn any_settings() -> impl Strategy<Value = Arc<FramerSettings>> {
    let framing = select(vec![Framing::Lines, Framing::Cri, Framing::DockerJson]);
    let multiline = select(vec![None, starting("^# "), ending(";$")]);
    (framing, multiline, 1u32..5).prop_map(|(framing, mut multiline, lines_max)| {
        if let Some(rules) = &mut multiline {
            rules.lines_max = lines_max;
        }
        Arc::new(FramerSettings {
            framing,
            multiline,
            record_bytes_max: SMALL_MAX,
        })
    })
}

/// Where the file is cut, in ascending order, its end included, and whether everything open is handed out there.
fn steps(length: usize, cuts: &[(usize, bool)]) -> Vec<(usize, bool)> {
    let mut steps: Vec<_> = cuts
        .iter()
        .map(|&(cut, flush)| (cut % (length + 1), flush))
        .collect();
    steps.push((length, false));
    steps.sort_unstable();
    steps
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// However a file is cut into chunks, its records are the same, and so is the position behind them.
    #[test]
    fn records_do_not_depend_on_chunks(
        settings in any_settings(),
        file in file(),
        cuts in proptest::collection::vec((any::<usize>(), Just(false)), 0..12),
    ) {
        let mut whole = Run::at(&settings, FramePosition::default());
        whole.push(&file);
        let mut cut = Run::at(&settings, FramePosition::default());
        let mut from = 0;
        for (to, _) in steps(file.len(), &cuts) {
            cut.push(&file[from..to]);
            from = to;
        }
        prop_assert_eq!(cut.framer.position(), whole.framer.position());
        prop_assert_eq!(&cut.flush().records, &whole.flush().records);
        prop_assert_eq!(cut.framer.take_malformed(), whole.framer.take_malformed());
    }

    /// A framer that begins at a position of another, wherever it was taken and whatever was flushed before, hands out exactly
    /// what the other would have handed out from there on.
    #[test]
    fn restart_at_any_position_yields_exactly_the_rest(
        settings in any_settings(),
        file in file(),
        cuts in proptest::collection::vec((any::<usize>(), prop::bool::weighted(0.2)), 1..12),
    ) {
        let steps = steps(file.len(), &cuts);
        let mut run = Run::at(&settings, FramePosition::default());
        let mut from = 0;
        let mut positions = Vec::new();
        for &(to, flush) in &steps {
            run.push(&file[from..to]);
            if flush {
                run.flush();
            }
            from = to;
            positions.push((run.framer.position(), run.records.len()));
        }
        for (step, (position, handed_out)) in positions.into_iter().enumerate() {
            let mut again = Run::at(&settings, position);
            let mut from = index(position.offset);
            prop_assert!(from <= steps[step].0);
            again.push(&file[from..steps[step].0]);
            prop_assert_eq!(&again.records, &[], "nothing is repeated");
            from = steps[step].0;
            for &(to, flush) in &steps[step + 1..] {
                again.push(&file[from..to]);
                if flush {
                    again.flush();
                }
                from = to;
            }
            prop_assert_eq!(&again.records[..], &run.records[handed_out..], "step {} at {:?}", step, position);
        }
    }

    /// Memory is bounded by the maximum record: one that is being cut, and with containers one of pieces for each stream, and
    /// with rules one of lines for each stream.
    #[test]
    fn memory_is_bounded(settings in any_settings(), file in file(), repeats in 1usize..20) {
        let mut run = Run::at(&settings, FramePosition::default());
        let record = SMALL_MAX + 1;
        let rules = usize::from(settings.multiline.is_some());
        let bound = match settings.framing {
            Framing::Lines => record * (1 + rules),
            Framing::Cri => cri::HEADER_BYTES_MAX + record * (3 + 2 * rules),
            // The last line's content, in memory that doubles.
            Framing::DockerJson => (128 << 10) + record * (2 + 2 * rules) + 2 * file.len() + 8,
        };
        for _ in 0..repeats {
            for chunk in file.chunks(5) {
                run.push(chunk);
                prop_assert!(run.framer.capacity() <= bound, "{} > {}", run.framer.capacity(), bound);
            }
        }
    }

    /// No line is lost or moved within its stream: without a maximum, records of lines are the lines again.
    #[test]
    fn records_of_several_lines_hold_every_line_in_order(lines in proptest::collection::vec("[#;a ]{0,3}", 0..30), rules in select(vec![starting("^#"), ending(";$")])) {
        let text = text_of(&lines);
        let mut run = large(Framing::Lines, rules);
        run.push(&text).flush();
        let joined = text_of(&run.take());
        prop_assert_eq!(joined, text);
    }
}
