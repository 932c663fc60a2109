//! What framing costs. Run by hand: `cargo test --release -p logship --lib framer::tests::speed -- --ignored --nocapture`.

use super::*;

const LINE_BYTES: usize = 243;
const PIECE_BYTES: usize = 4 << 10;

/// Nanoseconds of processor time for each line, best of some rounds.
fn measure(name: &str, framing: Framing, multiline: Option<Multiline>, line: &str) {
    let lines = 20_000;
    let text = line.repeat(lines);
    let settings = FramerSettings {
        framing,
        multiline,
        record_bytes_max: 1 << 20,
    };
    let settings = Arc::new(settings);
    let best = (0..30).map(|_| {
        let mut framer = Framer::new(settings.clone(), FramePosition::default());
        let (mut records, mut bytes) = (0, 0);
        let before = cpu_time();
        for piece in text.as_bytes().chunks(PIECE_BYTES) {
            framer.push(Tick::ZERO, piece, |frame| {
                records += 1;
                bytes += std::hint::black_box(frame.body).len();
            });
            std::hint::black_box(framer.position());
        }
        let taken = cpu_time().saturating_sub(before);
        assert!(records + 1 >= lines && bytes > 0);
        taken
    });
    let best = best.min().unwrap_or_default();
    println!("{name}: {:.1} ns/line", best.as_secs_f64() * 1e9 / 20_000.0);
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
#[ignore = "a measurement"]
fn nanoseconds_of_a_line() {
    let text = "x".repeat(LINE_BYTES - 1) + "\n";
    let header = cri("stdout", "F", "").len();
    let container = cri("stdout", "F", &"x".repeat(LINE_BYTES - header));
    assert_eq!((text.len(), container.len()), (LINE_BYTES, LINE_BYTES));
    let object = docker("stdout", &("x".repeat(160) + "\n"));
    measure("lines", Framing::Lines, None, &text);
    measure(
        "lines, records of one line",
        Framing::Lines,
        starting("^x"),
        &text,
    );
    measure("cri", Framing::Cri, None, &container);
    measure(
        "cri, records of one line",
        Framing::Cri,
        starting("^x"),
        &container,
    );
    measure(
        &format!("docker, {} bytes", object.len()),
        Framing::DockerJson,
        None,
        &object,
    );
}
