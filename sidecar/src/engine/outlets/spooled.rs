//! Container output on its way to the sinks: through the spool of its source, where it has one, otherwise directly.

use super::{Context, Outlets, Place, Position, StreamId};
use crate::engine::Tick;
use crate::engine::contract::Output;
use crate::engine::output_line::OutputLine;
use crate::engine::report::Report;
use crate::engine::spool::{Done, Entry, Reader, Spool};
use crate::record::Labels;

/// What happened before the start has no stream that waits for it.
const NO_STREAM: StreamId = StreamId::MAX;

impl Outlets {
    /// One more spool. Only before the first record.
    pub fn add_spool(&mut self, spool: Spool) {
        self.spools.push(spool);
    }

    /// All of them.
    pub fn spools(&self) -> &[Spool] {
        &self.spools
    }

    /// Takes out the spool of this source.
    pub fn take_spool(&mut self, source: &str) -> Option<Spool> {
        let index = self.spools.iter().position(|spool| spool.name == source)?;
        Some(self.spools.swap_remove(index))
    }

    /// Whether output of this source may be handed in.
    pub fn take_output_of(&self, source: usize) -> bool {
        let spool = self.spools.iter().find(|spool| spool.source == source);
        let have_room = self.have_room();
        spool.map_or(have_room, |spool| spool.takes(have_room))
    }

    /// Takes a line of a container's output.
    pub fn line(&mut self, now: Tick, stream: StreamId, context: &Context, line: &OutputLine<'_>) {
        let entry = Entry::Line {
            container: container(context),
            length: line.length,
            bytes: line.bytes,
        };
        match self.spool(stream, context, &entry) {
            Passage::Spooled => {}
            Passage::Through(place) => {
                self.record(now, context, line.record());
                self.mark(stream, Position::Line(line.key, place));
            }
        }
    }

    /// What follows is the output of a container's instance with this restart count.
    pub fn instance(&mut self, stream: StreamId, context: &Context, restarts: u32) {
        let entry = Entry::Instance {
            container: container(context),
            restarts,
        };
        match self.spool(stream, context, &entry) {
            Passage::Spooled => {}
            Passage::Through(place) => self.mark(stream, Position::Instance(restarts, place)),
        }
    }

    fn spool(&mut self, stream: StreamId, context: &Context, entry: &Entry<'_>) -> Passage {
        let have_room = self.have_room();
        let mut spools = self.spools.iter_mut().enumerate();
        let Some((number, spool)) = spools.find(|(_, spool)| spool.source == context.source) else {
            return Passage::Through(None);
        };
        let is_direct = have_room && !spool.is_behind();
        let behind = spool.push(entry);
        if is_direct {
            spool.went(behind);
            return Passage::Through(Some(Place {
                spool: number,
                behind,
            }));
        }
        if let Some(reader) = spool.readers.get_mut(entry.container()) {
            reader.stream = Some(stream);
        } else {
            let reader = Reader {
                stream: Some(stream),
                context: context.clone(),
            };
            spool.readers.insert(entry.container().to_owned(), reader);
        }
        Passage::Spooled
    }

    /// Feeds the queues from memory as far as they have room, and has the spools look at it.
    pub fn feed(&mut self, now: Tick) {
        let mut spools = std::mem::take(&mut self.spools);
        for (number, spool) in spools.iter_mut().enumerate() {
            while self.have_room() {
                let Some((address, entries)) = spool.in_memory() else {
                    break;
                };
                // The window changes only after it was read.
                let entries = entries.to_vec();
                if self.feed_from(now, number, spool, address, &entries) == 0 {
                    break;
                }
            }
            spool.look(now, self.have_room());
        }
        self.spools = spools;
    }

    /// What one of the spools has to do on the disk.
    pub fn next_act(&mut self, now: Tick) -> Option<Output> {
        let have_room = self.have_room();
        let mut spools = self.spools.iter_mut().enumerate();
        spools.find_map(|(spool, spools)| {
            let act = spools.poll(now, have_room)?;
            Some(Output::Spool { spool, act })
        })
    }

    /// What one of the spools still has to do on the disk before the end.
    pub fn close_spools(&mut self, now: Tick) -> Option<Output> {
        let mut spools = self.spools.iter_mut().enumerate();
        spools.find_map(|(spool, spools)| {
            let act = spools.close(now)?;
            Some(Output::Spool { spool, act })
        })
    }

    /// The answer to an act.
    pub fn spooled(&mut self, now: Tick, number: usize, done: Done<'_>) {
        let mut spools = std::mem::take(&mut self.spools);
        if let Some(spool) = spools.get_mut(number) {
            if let Some((address, bytes)) = spool.done(now, done) {
                self.feed_from(now, number, spool, address, bytes);
            }
            if let Some(behind) = spool.take_gap() {
                let place = Place {
                    spool: number,
                    behind,
                };
                self.mark(NO_STREAM, Position::Spool(place));
            }
        }
        self.spools = spools;
    }

    /// No spool waits any longer for sinks.
    pub fn hurry_spools(&mut self) {
        self.spools.iter_mut().for_each(Spool::hurry);
    }

    /// A checkpoint was written, or tried.
    pub fn saved(&mut self) {
        self.spools.iter_mut().for_each(Spool::saved);
    }

    /// What the spools have to say.
    pub fn spool_report(&mut self) -> Option<Report> {
        self.spools.iter_mut().find_map(Spool::report)
    }

    /// When a spool has something to do.
    pub fn spool_deadline(&self) -> Option<Tick> {
        self.spools.iter().filter_map(Spool::deadline).min()
    }

    /// Whether every spool has sent what it has.
    pub fn spools_are_fed(&self) -> bool {
        !self.spools.iter().any(Spool::is_behind)
    }

    pub(super) fn settle_spool(&mut self, position: Position) {
        let place = match position {
            Position::Line(_, place) | Position::Instance(_, place) => place,
            Position::Spool(place) => Some(place),
            Position::File { .. } => None,
        };
        if let Some(Place { spool, behind }) = place
            && let Some(spool) = self.spools.get_mut(spool)
        {
            spool.settle(behind);
        }
    }

    /// Feeds the queues with entries as far as they have room. How many bytes they were.
    fn feed_from(
        &mut self,
        now: Tick,
        number: usize,
        spool: &mut Spool,
        address: u64,
        bytes: &[u8],
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.have_room() {
            match Entry::read(&bytes[at..], address + at as u64) {
                Ok((entry, length)) => {
                    at += length;
                    spool.fed(length);
                    let place = Place {
                        spool: number,
                        behind: address + at as u64,
                    };
                    self.pass_on(now, spool, &entry, place);
                }
                Err(flaw) => {
                    // What is cut off at the end of a read is read again; only an entry at its beginning is in question.
                    if at == 0 {
                        spool.flawed(flaw, bytes);
                    }
                    break;
                }
            }
        }
        at
    }

    fn pass_on(&mut self, now: Tick, spool: &mut Spool, entry: &Entry<'_>, place: Place) {
        let name = entry.container();
        if !spool.readers.contains_key(name) {
            let labels = Labels {
                container: Some(name.to_owned()),
                ..spool.labels.clone()
            };
            let context = self.context(spool.source, labels);
            spool.readers.insert(
                name.to_owned(),
                Reader {
                    stream: None,
                    context,
                },
            );
        }
        let Some(Reader { stream, context }) = spool.readers.get(name) else {
            return;
        };
        let stream = stream.filter(|_| !spool.is_from_before(place.behind));
        let position = match *entry {
            Entry::Line { length, bytes, .. } => {
                let line = OutputLine::read(bytes, length);
                if let Some(line) = &line {
                    self.record(now, context, line.record());
                }
                line.map(|line| Position::Line(line.key, Some(place)))
            }
            Entry::Instance { restarts, .. } => Some(Position::Instance(restarts, Some(place))),
        };
        let position = position.filter(|_| stream.is_some());
        self.mark(
            stream.unwrap_or(NO_STREAM),
            position.unwrap_or(Position::Spool(place)),
        );
    }
}

/// How an entry goes on.
enum Passage {
    /// It waits in the spool.
    Spooled,
    /// To the queues at once; where it is in the spool, if there is one.
    Through(Option<Place>),
}

fn container(context: &Context) -> &str {
    context.labels.container.as_deref().unwrap_or_default()
}
