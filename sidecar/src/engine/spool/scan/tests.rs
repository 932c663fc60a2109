use super::*;

fn line(second: u32, text: &str) -> String {
    format!("2026-01-02T03:04:{second:02}Z {text}")
}

fn segment(first: u64, previous_end: u64, lines: &[String]) -> Vec<u8> {
    let mut bytes = Header { first, previous_end }.to_bytes().to_vec();
    for line in lines {
        let address = first + (bytes.len() - HEADER_BYTES) as u64;
        let entry = Entry::Line {
            container: "web",
            length: line.len() as u64,
            bytes: line.as_bytes(),
        };
        entry.append(address, &mut bytes);
    }
    bytes
}

fn payload(bytes: &[u8]) -> u64 {
    (bytes.len() - HEADER_BYTES) as u64
}

fn scan(settled: u64, included: u64, files: &[(u64, Vec<u8>)]) -> (Found, Vec<Fate>) {
    let position = SpoolPosition { settled, included };
    let mut scan = Scan::new(position, BTreeMap::new());
    let fates = files
        .iter()
        .map(|(first, bytes)| scan.look(*first, bytes))
        .collect();
    (scan.finish(), fates)
}

/// Behind these lines.
fn behind(lines: &[String]) -> ContainerPosition {
    let mut resume = Resume::default();
    for line in lines {
        resume.take(OutputLine::read(line.as_bytes(), 0).unwrap().key);
    }
    ContainerPosition::of(0, &resume)
}

#[test]
fn container_goes_on_behind_every_line_that_is_there() {
    let lines = [line(5, "a"), line(6, "b"), line(6, "b")];
    let file = segment(0, 0, &lines);
    let (found, fates) = scan(0, 0, &[(0, file.clone())]);
    assert_eq!(fates, [Fate::Keep]);
    assert_eq!(found.containers["web"], behind(&lines));
    assert_eq!((found.end, found.lost_bytes), (payload(&file), 0));
}

#[test]
fn lines_that_the_position_knows_already_are_not_counted_twice() {
    let lines = [line(6, "b"), line(6, "b")];
    let file = segment(0, 0, &lines);
    let half = payload(&segment(0, 0, &lines[..1]));
    let (found, _) = scan(0, half, &[(0, file)]);
    assert_eq!(found.containers["web"], behind(&lines[1..]));
}

#[test]
fn settled_segments_are_removed_and_not_missed() {
    let (one, two) = (
        segment(0, 0, &[line(5, "a")]),
        payload(&segment(0, 0, &[line(5, "a")])),
    );
    let next = segment(two, two, &[line(6, "b")]);
    let (found, fates) = scan(two, two, &[(0, one), (two, next.clone())]);
    assert_eq!(fates, [Fate::Remove, Fate::Keep]);
    assert_eq!((found.segments.len(), found.lost_bytes), (1, 0));
    let (found, _) = scan(two, two, &[(two, next)]);
    assert_eq!(found.lost_bytes, 0);
}

#[test]
fn addresses_that_were_settled_from_memory_are_not_missed() {
    let file = segment(1000, 0, &[line(6, "b")]);
    let (found, _) = scan(10, 10, &[(1000, file)]);
    assert_eq!(found.lost_bytes, 0);
}

#[test]
fn torn_end_is_cut_and_what_is_written_behind_it_is_no_loss() {
    let whole = segment(0, 0, &[line(5, "a"), line(6, "b")]);
    let end = payload(&segment(0, 0, &[line(5, "a")]));
    let torn = whole[..whole.len() - 1].to_vec();
    let (found, _) = scan(0, 0, &[(0, torn.clone())]);
    assert_eq!((found.end, found.lost_bytes), (end, 0));
    // The run after it went on there.
    let next = segment(end, end, &[line(7, "c")]);
    let (found, _) = scan(0, 0, &[(0, torn), (end, next)]);
    assert_eq!(found.segments[0].end, end);
    assert_eq!(found.lost_bytes, 0);
}

#[test]
fn damaged_end_of_a_segment_that_was_finished_is_still_part_of_it() {
    let mut whole = segment(0, 0, &[line(5, "a"), line(6, "b")]);
    let end = payload(&whole);
    *whole.last_mut().unwrap() ^= 1;
    let next = segment(end, end, &[line(7, "c")]);
    let (found, _) = scan(0, 0, &[(0, whole), (end, next)]);
    // Counted when it is read.
    assert_eq!((found.segments[0].end, found.lost_bytes), (end, 0));
}

#[test]
fn missing_segment_is_lost_and_the_others_are_kept() {
    let one = segment(0, 0, &[line(5, "a")]);
    let end = payload(&one);
    let three = segment(end + 500, end + 500, &[line(7, "c")]);
    let (found, fates) = scan(0, 0, &[(0, one), (end + 500, three)]);
    assert_eq!(fates, [Fate::Keep, Fate::Keep]);
    assert_eq!(found.lost_bytes, 500);
}

#[test]
fn file_of_another_form_is_set_aside_and_counted_once() {
    let one = segment(0, 0, &[line(5, "a")]);
    let end = payload(&one);
    let mut two = segment(end, end, &[line(6, "b")]);
    let (behind, bytes) = (end + payload(&two), payload(&two));
    two[14] = b'2';
    let three = segment(behind, behind, &[line(7, "c")]);
    let check = |files: &[(u64, Vec<u8>)], fates: &[Fate]| {
        let (found, found_fates) = scan(0, 0, files);
        assert_eq!(found_fates, fates);
        assert_eq!(found.lost_bytes, bytes);
        assert_eq!(found.aside_bytes, bytes + HEADER_BYTES as u64);
    };
    let files = [(0, one), (end, two), (behind, three)];
    check(&files, &[Fate::Keep, Fate::SetAside, Fate::Keep]);
    check(&files[..2], &[Fate::Keep, Fate::SetAside]);
    check(&files[1..2], &[Fate::SetAside]);
}

#[test]
fn segment_under_another_name_is_none() {
    let (found, fates) = scan(0, 0, &[(8, segment(0, 0, &[line(5, "a")]))]);
    assert_eq!(fates, [Fate::SetAside]);
    assert!(found.segments.is_empty());
}

#[test]
fn checkpoint_that_is_further_than_the_disk_begins_behind_itself() {
    let file = segment(0, 0, &[line(5, "a")]);
    let (found, fates) = scan(10_000, 10_000, &[(0, file)]);
    assert_eq!((found.end, fates), (10_000, vec![Fate::Remove]));
}

#[test]
fn lines_that_the_position_knows_and_nobody_has_are_lost() {
    let lines = [line(5, "a"), line(6, "b")];
    let whole = segment(0, 0, &lines);
    let end = payload(&whole);
    let half = segment(0, 0, &lines[..1]);
    let lost = |included: u64, files: &[(u64, Vec<u8>)]| scan(0, included, files).0.lost_bytes;
    assert_eq!(lost(end, &[(0, whole.clone())]), 0);
    assert_eq!(lost(end, &[(0, half.clone())]), end - payload(&half));
    assert_eq!(lost(end, &[]), end);
    // It is not lost twice because it cannot be read.
    let mut foreign = whole;
    foreign[3] ^= 1;
    assert_eq!(lost(end, &[(0, foreign)]), end);
}

#[test]
fn segment_in_which_nothing_is_whole_leaves_its_name_to_the_next() {
    let one = segment(0, 0, &[line(5, "a")]);
    let end = payload(&one);
    let torn = segment(end, end, &[line(6, "b")])[..HEADER_BYTES + 20].to_vec();
    for beginning in [
        torn.clone(),
        torn[..HEADER_BYTES].to_vec(),
        torn[..10].to_vec(),
        Vec::new(),
    ] {
        let (found, fates) = scan(0, 0, &[(0, one.clone()), (end, beginning)]);
        assert_eq!(fates, [Fate::Keep, Fate::Remove]);
        assert_eq!((found.segments.len(), found.end), (1, end));
        assert_eq!((found.lost_bytes, found.aside_bytes), (0, 0));
    }
    // Where more was written behind it, it was whole once.
    let behind = end + payload(&segment(end, end, &[line(6, "b")]));
    let (found, _) = scan(
        0,
        0,
        &[
            (0, one),
            (end, torn),
            (behind, segment(behind, behind, &[line(7, "c")])),
        ],
    );
    assert_eq!(found.lost_bytes, behind - end);
}

#[test]
fn missing_bytes_before_a_segment_in_which_nothing_is_whole_are_counted_once() {
    let torn = segment(500, 500, &[line(6, "b")])[..HEADER_BYTES + 20].to_vec();
    let next = segment(600, 600, &[line(7, "c")]);
    let (found, _) = scan(0, 0, &[(500, torn), (600, next)]);
    assert_eq!(found.lost_bytes, 600);
}

#[test]
fn write_that_failed_and_was_not_taken_back_is_no_second_line() {
    let lines = [line(5, "a"), line(6, "b")];
    let end = payload(&segment(0, 0, &lines[..1]));
    let whole = segment(0, 0, &lines);
    let again = segment(end, end, &lines[1..]);
    let (found, _) = scan(0, 0, &[(0, whole), (end, again)]);
    assert_eq!(found.containers["web"], behind(&lines));
}

#[test]
fn what_an_earlier_run_set_aside_takes_its_part() {
    let mut scan = Scan::new(SpoolPosition::default(), BTreeMap::new());
    scan.was_set_aside(700);
    let found = scan.finish();
    assert_eq!((found.aside_bytes, found.lost_bytes), (700, 0));
}
