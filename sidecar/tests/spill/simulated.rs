//! What the engine does with its spool, in a simulated world.

use crate::world::{Relied, World};
use logship::engine::spool::HEADER_BYTES;
use proptest::prelude::*;
use std::time::Duration;

const SPOOL_BYTES: usize = 1 << 20;

/// What may happen.
#[derive(Debug, Clone)]
enum Event {
    Write(usize),
    Pass(u64),
    Sink(bool),
    Disk(bool),
    Rotate,
    Crash,
    Stop,
    Change,
    PowerLoss(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1usize..600).prop_map(Event::Write),
        4 => (1u64..3000).prop_map(Event::Pass),
        2 => any::<bool>().prop_map(Event::Sink),
        1 => any::<bool>().prop_map(Event::Disk),
        2 => Just(Event::Rotate),
        1 => Just(Event::Crash),
        1 => Just(Event::Stop),
        1 => Just(Event::Change),
    ]
}

fn event_or_power_loss() -> impl Strategy<Value = Event> {
    prop_oneof![8 => event(), 1 => any::<u8>().prop_map(Event::PowerLoss)]
}

fn happens(world: &mut World, event: &Event) {
    match *event {
        Event::Write(lines) => world.write(lines),
        Event::Pass(time_ms) => world.pass(Duration::from_millis(time_ms)),
        Event::Sink(is_up) => world.is_up = is_up,
        Event::Disk(is_full) => world.disk.is_full = is_full,
        Event::Rotate => world.rotate(),
        Event::Crash => world.crash(),
        Event::Stop => {
            world.stop();
        }
        Event::Change => world.change(SPOOL_BYTES),
        Event::PowerLoss(share) => world.lose_power(share),
    }
}

proptest! {
    /// Sinks and disks that come and go, files that are rotated as soon as their lines are on the disk or delivered, kills, stops and
    /// changes of the pipeline at any moment: every line arrives, in order, and again only what no checkpoint knew; the disk never holds more
    /// than the bound.
    #[test]
    fn every_line_arrives_in_order(events in proptest::collection::vec(event(), 1..40)) {
        let mut world = World::new(SPOOL_BYTES);
        for event in &events {
            happens(&mut world, event);
        }
        world.settle();
    }

    /// The same where the machine may lose its power, and files are rotated as soon as their lines are durable: whatever is left of what
    /// was written and not yet durable, no line is lost.
    #[test]
    fn no_power_loss_costs_a_line(events in proptest::collection::vec(event_or_power_loss(), 1..40)) {
        let mut world = World::new(SPOOL_BYTES);
        world.relied_on = Relied::Durable;
        for event in &events {
            happens(&mut world, event);
        }
        world.settle();
    }
}

#[test]
fn disk_is_not_touched_while_sinks_take_what_comes() {
    let mut world = World::new(SPOOL_BYTES);
    for _ in 0..50 {
        world.write(200);
        world.pass(Duration::from_millis(500));
    }
    world.settle();
    assert_eq!(world.spill().spilled_bytes, 0);
    assert_eq!(world.delivered.len(), 10_000);
}

#[test]
fn output_goes_on_being_read_while_the_sink_is_down_and_arrives_when_it_is_back() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.taken(), 3000);
    assert_eq!(
        world.on_disk(),
        (0..3000).collect::<Vec<_>>(),
        "what was sent and is not settled as well"
    );
    world.rotate();
    world.settle();
    assert_eq!(world.delivered.len(), 3000);
    assert!(world.disk.files.is_empty());
    let said = |what: &str| {
        world
            .reports
            .iter()
            .filter(|report| report.contains(what))
            .count()
    };
    assert_eq!(
        (said("sinks take nothing"), said("was sent")),
        (1, 1),
        "{:?}",
        world.reports
    );
}

#[test]
fn bound_holds_reading_back_and_is_counted_and_said_once() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(20_000);
    world.pass(Duration::from_secs(30));
    let spill = world.spill();
    assert!(world.taken() < 20_000);
    assert!(spill.is_full && spill.full == 1, "{spill:?}");
    assert!(
        spill.bytes > 900_000 && spill.bytes <= spill.bytes_max,
        "{spill:?}"
    );
    assert_eq!(
        world
            .reports
            .iter()
            .filter(|report| report.contains("that is the bound"))
            .count(),
        1
    );
    world.settle();
    assert_eq!(world.delivered.len(), 20_000);
    assert!(!world.spill().is_full);
}

#[test]
fn disk_that_takes_nothing_holds_reading_back_until_it_does() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.disk.is_full = true;
    world.write(3000);
    world.pass(Duration::from_secs(10));
    let (taken, spill) = (world.taken(), world.spill());
    assert!(taken < 1000 && spill.failures > 3, "{taken} {spill:?}");
    assert_eq!(
        world
            .reports
            .iter()
            .filter(|report| report.contains("cannot be kept on the state volume"))
            .count(),
        1
    );
    world.disk.is_full = false;
    world.pass(Duration::from_secs(10));
    assert_eq!(world.taken(), 3000);
    world.settle();
    assert_eq!(world.delivered.len(), 3000);
}

#[test]
fn disk_that_takes_nothing_is_no_reason_to_wait_once_the_sink_is_back() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.disk.is_full = true;
    world.write(3000);
    world.pass(Duration::from_secs(10));
    world.is_up = true;
    world.pass(Duration::from_secs(60));
    assert_eq!(world.delivered.len(), 3000);
    assert!(world.disk.is_full);
}

#[test]
fn stop_with_a_dead_sink_leaves_what_is_not_sent_to_the_next_start() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(2000);
    world.pass(Duration::from_millis(300));
    assert!(!world.stop(), "not everything was sent");
    assert_eq!(world.on_disk().len(), 2000);
    world.rotate();
    world.settle();
    assert_eq!(world.delivered.len(), 2000);
}

#[test]
fn spool_that_is_switched_off_while_it_holds_something_is_sent_and_written_to_no_more() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(2000);
    world.pass(Duration::from_secs(5));
    world.rotate();
    world.change(0);
    let spilled = world.spill().spilled_bytes;
    world.write(2000);
    world.pass(Duration::from_secs(5));
    assert_eq!((world.taken(), world.spill().spilled_bytes), (2000, spilled));
    world.settle();
    assert_eq!(world.delivered.len(), 4000);
}

#[test]
fn damaged_entry_costs_itself_and_is_counted() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    let file = world.disk.files.values_mut().next().unwrap();
    let at = file.len() / 2;
    file[at] ^= 1;
    world.crash();
    world.is_up = true;
    world.pass(Duration::from_secs(60));
    assert_eq!(world.delivered.len(), 2999);
    let spill = world.spill();
    assert!(spill.lost_bytes > 50 && spill.lost_bytes < 300, "{spill:?}");
    assert!(world.disk.files.is_empty(), "it goes like the others");
}

#[test]
fn segment_that_vanishes_while_it_is_waited_for_is_counted_and_the_others_are_sent() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    let second = *world.disk.files.keys().nth(1).unwrap();
    let bytes = world.disk.files.remove(&second).unwrap().len() as u64;
    world.is_up = true;
    world.pass(Duration::from_secs(60));
    let spill = world.spill();
    assert!(
        spill.lost_bytes < bytes && spill.lost_bytes + 40 >= bytes,
        "{bytes} {spill:?}"
    );
    assert!(world.delivered.len() < 3000 && world.delivered.is_sorted());
    assert!(world.disk.files.is_empty());
    assert_eq!(world.lines(), 3000);
}

#[test]
fn segment_of_which_a_crash_left_nothing_whole_takes_no_other_with_it() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    let (_, newest) = world.disk.files.iter_mut().next_back().unwrap();
    newest.truncate(HEADER_BYTES + 20);
    world.crash();
    // What is written now gets its name.
    world.pass(Duration::from_secs(5));
    world.rotate();
    world.settle();
    assert_eq!(world.spill().lost_bytes, 0);
}

#[test]
fn segment_that_the_disk_does_not_give_is_waited_for_and_then_given_up() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    let second = *world.disk.files.keys().nth(1).unwrap();
    world.disk.unreadable = Some(second);
    world.is_up = true;
    world.pass(Duration::from_secs(5));
    let waiting = world.delivered.len();
    assert_eq!(world.spill().lost_bytes, 0, "it may come back");
    world.pass(Duration::from_secs(60));
    let spill = world.spill();
    assert!(spill.lost_bytes > 0 && spill.failures >= 10, "{spill:?}");
    assert!(waiting < world.delivered.len() && world.delivered.len() < 3000);
    assert_eq!(world.delivered.last(), Some(&2999), "what is behind it arrives");
}

#[test]
fn disk_that_gives_a_segment_again_costs_nothing() {
    let mut world = World::new(SPOOL_BYTES);
    world.is_up = false;
    world.write(3000);
    world.pass(Duration::from_secs(5));
    world.disk.unreadable = world.disk.files.keys().nth(1).copied();
    world.is_up = true;
    world.pass(Duration::from_secs(5));
    world.disk.unreadable = None;
    world.pass(Duration::from_secs(5));
    assert_eq!(world.delivered.len(), 3000);
    assert_eq!(world.spill().lost_bytes, 0);
}
