//! Whose turn it is, when nothing is more urgent: sources that ask, sinks that send, spools that write, positions to save, files to read.
//!
//! Guarantees: none of them keeps another from its turn for ever.

use super::{Engine, Output, Tick};
use std::time::Duration;

/// Settled positions are saved at most this often.
const SAVE_INTERVAL: Duration = Duration::from_millis(500);
/// After so many questions something else has its turn, if there is anything.
const QUESTIONS_IN_A_ROW_MAX: u32 = 128;

impl Engine {
    /// Questions come first, but there may always be files to open, and then nothing would ever be read or sent.
    pub(super) fn next_in_turn(&mut self, now: Tick) -> Option<Output> {
        if self.questions_in_a_row >= QUESTIONS_IN_A_ROW_MAX {
            self.questions_in_a_row = 0;
            let other = self.next_other(now);
            if other.is_some() {
                return other;
            }
        }
        let question = self.next_question(now);
        if question.is_some() {
            self.questions_in_a_row += 1;
            return question;
        }
        self.questions_in_a_row = 0;
        self.next_other(now)
    }

    fn next_other(&mut self, now: Tick) -> Option<Output> {
        self.next_send(now)
            .or_else(|| self.next_act(now))
            .or_else(|| self.next_save(now))
            .or_else(|| self.next_read())
    }

    /// What a source asks for, besides reading.
    fn next_question(&mut self, now: Tick) -> Option<Output> {
        if self.hand_over.is_some() {
            return None;
        }
        self.sources.poll(now, &mut self.outlets)
    }

    fn next_read(&mut self) -> Option<Output> {
        if self.hand_over.is_some() || !self.outlets.find_room() {
            return None;
        }
        self.sources.next_read()
    }

    pub(super) fn next_send(&mut self, now: Tick) -> Option<Output> {
        // At the bound nothing is read, so nothing would come to fill a batch.
        let flush = self.drain_until.is_some() || self.hand_over.is_some() || self.outlets.are_at_bound();
        let mut lanes = self.outlets.lanes.iter_mut().enumerate();
        lanes.find_map(|(sink, lane)| {
            lane.poll(now, flush)
                .map(|(id, batch)| Output::Send { sink, id, batch })
        })
    }

    fn next_save(&mut self, now: Tick) -> Option<Output> {
        if self.unsaved != Some(true) || now < self.next_save {
            return None;
        }
        self.unsaved = Some(false);
        self.next_save = now + SAVE_INTERVAL;
        Some(self.save())
    }

    /// What a spool has to do on the disk.
    fn next_act(&mut self, now: Tick) -> Option<Output> {
        if self.hand_over.is_some() {
            return None;
        }
        self.outlets.next_act(now)
    }
}
