use super::*;
use proptest::prelude::*;

type Line = (Nanos, u8);

/// The current file of a container, as the API serves it.
#[derive(Default)]
struct Api {
    file: Vec<Line>,
}

impl Api {
    /// Every line from `since` on, inclusive, in the order of the file.
    fn serve(&self, since: Option<i64>) -> Vec<Line> {
        let is_served = |time: Nanos| since.is_none_or(|since| time.div_euclid(SECOND) >= since);
        let file = self.file.iter().copied();
        file.filter(|(time, _)| is_served(*time)).collect()
    }
}

/// One connection that gets these lines. Whether a new line came before the last one that was taken.
fn read(resume: &mut Resume, since: Option<i64>, lines: &[Line], shipped: &mut Vec<Line>) -> bool {
    let (mut repeats, mut lacks) = (resume.repeats(since), false);
    for &(time, byte) in lines {
        let key = LineKey::new(time, &[byte]);
        if !repeats.holds(key) {
            lacks |= repeats.lacks_last().is_some_and(|last| key.time > last.time);
            resume.take(key);
            shipped.push((time, byte));
        }
    }
    lacks
}

fn written_and_read(resume: &Resume) -> Resume {
    let text = serde_json::to_string(&resume.recent()).unwrap();
    let recent = serde_json::from_str(&text).unwrap();
    Resume::restore(resume.last_second(), recent, &resume.earlier(), resume.is_fresh())
}

/// Half of the lines of a log have the time of the one before, some are a little earlier.
fn logs(back: i64) -> impl Strategy<Value = Vec<Line>> {
    let step = prop_oneof![Just(0), 0..SECOND, -back..3 * SECOND];
    let lines = proptest::collection::vec((step, 0u8..3), 1..150);
    lines.prop_map(|steps| {
        let mut time = 100 * SECOND;
        let line = |(step, byte)| {
            time += step;
            (time, byte)
        };
        steps.into_iter().map(line).collect()
    })
}

/// Where connections end and processes are killed, and how much of what is there they got, of 100.
fn cuts() -> impl Strategy<Value = Vec<(usize, usize)>> {
    proptest::collection::vec((0usize..150, 0usize..=100), 0..8)
}

/// What is left of the lines without these. None: they are not all there.
fn without(lines: &[Line], these: &[Line]) -> Option<Vec<Line>> {
    let mut left = lines.to_vec();
    for line in these {
        left.swap_remove(left.iter().position(|found| found == line)?);
    }
    Some(left)
}

proptest! {
    /// Equal lines, equal times, times that go back by up to a second, connections and processes that end anywhere: each
    /// line is shipped exactly once, and no gap is suspected.
    #[test]
    fn broken_connections_neither_lose_nor_repeat(log in logs(SECOND), cuts in cuts()) {
        let mut newest = Nanos::MIN;
        let log: Vec<Line> = log
            .into_iter()
            .map(|(time, byte)| {
                newest = newest.max(time);
                (time.max(newest - SECOND), byte)
            })
            .collect();
        let (mut resume, mut shipped, mut api) = (Resume::default(), Vec::new(), Api::default());
        for (at, part) in cuts {
            let written = at.min(log.len()).max(api.file.len());
            api.file = log[..written].to_vec();
            let answer = api.serve(resume.since());
            let since = resume.since();
            let lacks = read(&mut resume, since, &answer[..answer.len() * part / 100], &mut shipped);
            prop_assert!(!lacks);
            resume = written_and_read(&resume);
        }
        api.file.clone_from(&log);
        let (answer, since) = (api.serve(resume.since()), resume.since());
        prop_assert!(!read(&mut resume, since, &answer, &mut shipped));
        prop_assert_eq!(shipped, log);
    }

    /// Whatever the times are: no line is shipped twice, and what is missing the API did not serve, because it was older than the last
    /// lines by more than a second and nobody was connected when it was written.
    #[test]
    fn only_late_lines_that_nobody_waited_for_are_missing(log in logs(20 * SECOND), cuts in cuts()) {
        let (mut resume, mut shipped, mut api) = (Resume::default(), Vec::new(), Api::default());
        let (mut taken, mut late) = (0, Vec::new());
        for (at, _) in cuts.into_iter().chain([(log.len(), 0)]) {
            let written = at.min(log.len()).max(api.file.len());
            api.file = log[..written].to_vec();
            let since = resume.since();
            let new = &log[taken..written];
            late.extend(new.iter().filter(|(time, _)| since.is_some_and(|since| time.div_euclid(SECOND) < since)));
            taken = written;
            let answer = api.serve(since);
            read(&mut resume, since, &answer, &mut shipped);
        }
        prop_assert!(without(&log, &shipped).is_some(), "something twice");
        let missing = without(&log, &shipped).unwrap_or_default();
        prop_assert!(without(&late, &missing).is_some(), "{:?} is missing and was not late", missing);
    }

    /// A file that is rotated while nobody is connected: nothing of the new one is lost or repeated, and what lies between is
    /// suspected, as soon as a later line comes.
    #[test]
    fn rotation_in_between_is_suspected_and_costs_nothing_else(log in logs(0), taken in 0usize..150, rotated in 0usize..150) {
        // A line of the new file that is equal to the nanosecond to one of the old file could not be told from it.
        let log: Vec<Line> = log.into_iter().zip(0..).map(|((time, byte), number)| (time + number, byte)).collect();
        let taken = taken.min(log.len());
        let rotated = rotated.min(log.len());
        let (mut resume, mut shipped) = (Resume::default(), Vec::new());
        read(&mut resume, None, &log[..taken], &mut shipped);
        let api = Api { file: log[rotated..].to_vec() };
        let (answer, since) = (api.serve(resume.since()), resume.since());
        let lacks = read(&mut resume, since, &answer, &mut shipped);
        let expected = log[..taken].iter().chain(&log[rotated.max(taken)..]);
        prop_assert_eq!(&shipped, &expected.copied().collect::<Vec<_>>());
        // Without a line that was taken, or a later one, there is nothing to tell it by.
        let is_told = taken > 0 && log[rotated..].iter().any(|(time, _)| *time > log[taken - 1].0);
        if rotated < taken {
            prop_assert!(!lacks);
        } else {
            prop_assert_eq!(lacks, is_told);
        }
    }
}

fn line(second: i64, number: i64) -> Line {
    let byte = u8::try_from(number % 251).unwrap();
    (second * SECOND + number, byte)
}

#[test]
fn equal_lines_are_counted_not_merged() {
    let (mut resume, mut shipped) = (Resume::default(), Vec::new());
    let equal = (5 * SECOND, 1);
    read(&mut resume, None, &[equal; 2], &mut shipped);
    read(&mut resume, Some(4), &[equal; 3], &mut shipped);
    assert_eq!(shipped.len(), 3);
}

#[test]
fn thousand_lines_of_one_second_and_fifty_of_one_nanosecond_are_kept() {
    let mut log: Vec<Line> = (0..1000).map(|number| line(7, number)).collect();
    log.extend((0..50).map(|number| (7 * SECOND + 999, u8::try_from(number % 5).unwrap())));
    for cut in [0, 1, 500, 1000, 1001, 1025, 1049, 1050] {
        let (mut resume, mut shipped) = (Resume::default(), Vec::new());
        read(&mut resume, None, &log[..cut], &mut shipped);
        let mut resume = written_and_read(&resume);
        let since = resume.since();
        read(&mut resume, since, &log, &mut shipped);
        assert_eq!(shipped, log, "{cut}");
    }
}

#[test]
fn more_lines_than_are_remembered_are_told_by_their_number() {
    let count = 5 * i64::try_from(LINES_MAX).unwrap();
    // The last of them in the second after, the one before those in two.
    let log: Vec<Line> = (0..count)
        .map(|number| line(7 + number / (count / 2), number))
        .collect();
    for cut in [log.len(), log.len() - 1, log.len() / 2 + 1, LINES_MAX + 1] {
        let (mut resume, mut shipped) = (Resume::default(), Vec::new());
        read(&mut resume, None, &log[..cut], &mut shipped);
        let mut resume = written_and_read(&resume);
        let since = resume.since();
        let api = Api { file: log.clone() };
        read(&mut resume, since, &api.serve(since), &mut shipped);
        assert_eq!(shipped.len(), log.len(), "{cut}");
        assert_eq!(shipped, log, "{cut}");
    }
}

#[test]
fn equal_lines_of_one_nanosecond_are_told_apart_where_the_memory_of_each_begins() {
    for equal in [2, 50, LINES_MAX + 100] {
        let mut log: Vec<Line> = (0..10).map(|number| line(6, number)).collect();
        log.extend(vec![(7 * SECOND, 1); equal]);
        // So that some of the equal ones are remembered each and some are not.
        let behind = (LINES_MAX - 1).saturating_sub(equal - 2);
        log.extend((1..=i64::try_from(behind).unwrap()).map(|number| line(7, number)));
        let (mut resume, mut shipped) = (Resume::default(), Vec::new());
        read(&mut resume, None, &log, &mut shipped);
        let mut resume = written_and_read(&resume);
        let since = resume.since();
        let api = Api { file: log.clone() };
        read(&mut resume, since, &api.serve(since), &mut shipped);
        assert_eq!(shipped.len(), log.len(), "{equal}");
    }
}

#[test]
fn lines_that_are_known_by_their_number_do_not_hide_those_of_a_new_file() {
    let count = 2 * i64::try_from(LINES_MAX).unwrap();
    let log: Vec<Line> = (0..count).map(|number| line(7, number)).collect();
    let (mut resume, mut shipped) = (Resume::default(), Vec::new());
    read(&mut resume, None, &log, &mut shipped);
    shipped.clear();
    let new: Vec<Line> = (count..count + 10).map(|number| line(7, number)).collect();
    let since = resume.since();
    assert!(read(&mut resume, since, &new, &mut shipped));
    assert_eq!(shipped, new);
}

#[test]
fn what_is_written_down_has_a_bound() {
    let mut resume = Resume::default();
    for number in 0..100_000 {
        let (time, byte) = line(7 + number / 1000, number);
        resume.take(LineKey::new(time, &[byte]));
    }
    let text = serde_json::to_string(&(resume.recent(), resume.earlier())).unwrap();
    assert!(text.len() < 50_000, "{}", text.len());
}

#[test]
fn clock_that_was_set_back_is_followed_after_the_first_line() {
    let mut resume = Resume::default();
    read(
        &mut resume,
        None,
        &[line(9000, 1), line(5400, 2)],
        &mut Vec::new(),
    );
    assert_eq!(resume.since(), Some(5399));
    let later: Vec<Line> = (0..i64::try_from(DISORDER_LINES).unwrap())
        .map(|number| line(9001, number))
        .collect();
    read(&mut resume, Some(5399), &later, &mut Vec::new());
    assert_eq!(resume.since(), Some(9000), "one late line is no reason for ever");
}

#[test]
fn position_without_lines_is_asked_from_one_second_before() {
    let resume = Resume::restore(Some(9), Recent::default(), &[], false);
    assert_eq!((resume.since(), resume.last_second()), (Some(8), Some(9)));
    assert_eq!(
        Resume::restore(Some(i64::MIN), Recent::default(), &[], false).since(),
        Some(i64::MIN)
    );
}
