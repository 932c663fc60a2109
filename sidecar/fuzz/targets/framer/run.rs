//! A framer, and what it has handed out, within the bounds that it promises.

use logship::engine::Tick;
use logship::engine::framer::{Frame, FramePosition, Framer, FramerSettings};
use logship::record::Stream;
use logship_crd::agent_config::Framing;
use std::sync::Arc;

/// The beginning of a line of CRI.
const HEADER_BYTES_MAX: usize = 1 << 10;
/// A line of Docker's, and what it stands for, in memory that doubles.
const DOCKER_LINES_HELD_MAX: usize = 3;
const DOCKER_LINE_BYTES_MIN: usize = 128 << 10;
/// A line, and with containers one in pieces and one record of several lines for each of two outputs.
const RECORDS_HELD_MAX: usize = 5;

/// A record without its borrows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub body: Vec<u8>,
    pub original_bytes: Option<u64>,
    pub time: Option<i64>,
    pub stream: Option<Stream>,
}

/// A framer at work.
#[derive(Debug)]
pub struct Run {
    pub framer: Framer,
    pub records: Vec<Kept>,
    malformed: u64,
    /// Before what is open was handed out.
    position: FramePosition,
    held_bytes_max: usize,
}

/// Whatever the framer holds inside: what it told.
impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            framer: _,
            records,
            malformed,
            position,
            held_bytes_max: _,
        } = self;
        *records == other.records && *malformed == other.malformed && *position == other.position
    }
}

impl Run {
    /// A framer that goes on at a position.
    pub fn at(settings: &Arc<FramerSettings>, position: FramePosition) -> Self {
        let record = settings.record_bytes_max + 1;
        let format = match settings.framing {
            Framing::Lines | Framing::Cri => HEADER_BYTES_MAX,
            Framing::DockerJson => DOCKER_LINES_HELD_MAX * record.max(DOCKER_LINE_BYTES_MIN),
        };
        Self {
            framer: Framer::new(Arc::clone(settings), position),
            records: Vec::new(),
            malformed: 0,
            position,
            held_bytes_max: RECORDS_HELD_MAX * record + format,
        }
    }

    /// From the first piece to the last, and then what is open.
    pub fn over<'f>(settings: &Arc<FramerSettings>, pieces: impl IntoIterator<Item = &'f [u8]>) -> Self {
        let mut run = Self::at(settings, FramePosition::default());
        let mut pushed = 0;
        for piece in pieces {
            run.push(piece);
            pushed += piece.len() as u64;
            let position = run.framer.position();
            assert!(
                position.offset <= pushed && position.furthest() <= pushed,
                "{position:?} of {pushed}"
            );
        }
        run.position = run.framer.position();
        run.flush();
        run.malformed = run.framer.take_malformed();
        run
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let records = &mut self.records;
        self.framer
            .push(Tick::ZERO, bytes, |frame| records.push(Kept::of(&frame)));
        let held = self.framer.capacity();
        assert!(held <= self.held_bytes_max, "{held} bytes are held");
    }

    /// Hands out what is open.
    pub fn flush(&mut self) {
        let records = &mut self.records;
        self.framer
            .flush(Tick::ZERO, |frame| records.push(Kept::of(&frame)));
        assert!(!self.framer.is_open());
    }

    /// The file is at its end for good.
    pub fn end_line(&mut self) {
        let records = &mut self.records;
        self.framer
            .end_line(Tick::ZERO, |frame| records.push(Kept::of(&frame)));
    }
}

impl Kept {
    fn of(frame: &Frame<'_>) -> Self {
        Self {
            body: frame.body.to_vec(),
            original_bytes: frame.original_bytes,
            time: frame.time,
            stream: frame.stream,
        }
    }
}
