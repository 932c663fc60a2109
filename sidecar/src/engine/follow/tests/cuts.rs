//! How the bytes of a stream come.

use super::*;
use proptest::prelude::*;

proptest! {
    /// However the bytes of a stream are cut into chunks, also within a timestamp or a character, and wherever it breaks: the
    /// same lines are shipped once.
    #[test]
    fn of_chunks_and_connections_do_not_matter(
        lines in proptest::collection::vec((0u32..3, "[a-zß日 ]{0,12}"), 1..40),
        chunks in proptest::collection::vec(1usize..40, 1..20),
        breaks in proptest::collection::vec((0usize..2000, any::<bool>()), 0..4),
    ) {
        let mut time = 10;
        let mut log = Vec::new();
        for (step, text) in &lines {
            time = (time + step).min(59);
            log.push(line(time, text));
        }
        let expected: String = lines.iter().flat_map(|(_, text)| [text, "\n"]).collect();
        let mut world = World::new(Vec::new());
        for (at, cleanly) in breaks.into_iter().map(Some).chain([None]).map(|cut| cut.unwrap_or((usize::MAX, true))) {
            let (stream, _, _, since) = world.probe(ContainerState::Running, 0);
            let served: String = log
                .iter()
                .filter(|line| since.is_none_or(|since| {
                    line[..19].parse::<jiff::civil::DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() >= since
                }))
                .map(String::as_str)
                .collect();
            let mut rest = &served.as_bytes()[..at.min(served.len())];
            for length in chunks.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, behind) = rest.split_at((*length).min(rest.len()));
                world.answer(stream, Answer::Data(chunk));
                rest = behind;
            }
            world.answer(stream, if cleanly { Answer::Ended } else { broken() });
        }
        prop_assert_eq!(&world.shipped, &expected);
        prop_assert_eq!(world.follow.counts(), FollowCounts::default());
    }
}
