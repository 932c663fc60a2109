//! How long a silent stream is waited for. Pure.
//!
//! Silence says nothing by itself: the container may have nothing to say, the connection may be half open, or the kubelet's reader may
//! be stuck. It watches the directory of the file only once it has come to its end, so a rotation before, while it was busy
//! with what was there or held back by us, is not noticed by it until the next one: it waits at the end of a file that has
//! lost its name. So a stream that has carried much, or was held back, is given up as soon as it falls silent, and asked for again;
//! by then all that the reader had was read. Any other is given up after minutes. The kernel finds most half-open connections
//! earlier (keep-alive, see `io/net.rs`), but not those whose other end is a proxy that has lost the way.

use super::Part;
use std::time::Duration;

/// The kubelet looks at a file at least once a second.
const BUSY_MAX: Duration = Duration::from_millis(1500);
/// At most, less by up to a quarter, so that streams that were opened together are not given up together.
const IDLE_MAX: Duration = Duration::from_secs(240);
/// What is not followed has no reason to be silent.
const UNFOLLOWED_MAX: Duration = Duration::from_secs(30);
/// So much is read at once, or so little that no file was rotated meanwhile.
const MUCH_BYTES: usize = 1 << 20;

/// The patience with one stream.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    follows: bool,
    idle: Duration,
    busy: Duration,
    unfollowed: Duration,
    bytes: usize,
    was_held_back: bool,
}

impl Patience {
    /// With a stream that is followed or not, by `random` in 0..1.
    pub fn new(follows: bool, random: f64) -> Self {
        Self {
            follows,
            idle: IDLE_MAX.mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0),
            busy: BUSY_MAX,
            unfollowed: UNFOLLOWED_MAX,
            bytes: 0,
            was_held_back: false,
        }
    }

    /// The same, that never waits for longer than this.
    #[cfg(test)]
    pub fn of(follows: bool, limit: Duration) -> Self {
        Self {
            idle: limit,
            busy: limit,
            unfollowed: limit,
            ..Self::new(follows, 0.0)
        }
    }

    /// So much came.
    pub fn received(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Nobody took for a while what came.
    pub fn held_back(&mut self) {
        self.was_held_back = true;
    }

    /// How long the next part is waited for.
    pub fn limit(&self) -> Duration {
        if !self.follows {
            self.unfollowed
        } else if self.was_held_back || self.bytes >= MUCH_BYTES {
            self.busy
        } else {
            self.idle
        }
    }

    /// What a stream is that did not come in time.
    pub fn lost(&self) -> Part {
        if self.follows {
            Part::Silent
        } else {
            Part::failed("the stream fell silent before its end".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_that_was_busy_or_held_back_is_given_up_soon_and_others_late() {
        let quiet = Patience::new(true, 0.0);
        assert_eq!(quiet.limit(), IDLE_MAX);
        let mut busy = quiet.clone();
        busy.received(MUCH_BYTES - 1);
        assert_eq!(busy.limit(), IDLE_MAX);
        busy.received(1);
        assert_eq!(busy.limit(), BUSY_MAX);
        let mut held = quiet;
        held.held_back();
        assert_eq!(held.limit(), BUSY_MAX);
        assert_eq!(Patience::new(false, 0.0).limit(), UNFOLLOWED_MAX);
    }

    #[test]
    fn streams_that_were_opened_together_are_given_up_within_a_minute() {
        let limits = [0.0, 0.25, 0.5, 0.75, 1.0].map(|random| Patience::new(true, random).limit().as_secs());
        assert_eq!(limits, [240, 225, 210, 195, 180]);
    }
}
