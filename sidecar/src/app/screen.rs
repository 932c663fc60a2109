//! Shows a person at a terminal what the pipelines do. Without a terminal there is nothing of it.

use super::Ended;
use crate::display::{self, View};
use crate::driver::Outcome;
use crate::engine::status::PipelineStatus;
use crate::io::clock::Clock;
use crate::io::terminal;
use crate::roster::{self, Roster};
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(500);

/// A screen that somebody looks at.
pub(super) struct Screen {
    clock: Clock,
}

/// Starts to draw, if there is a terminal; not over records that are printed on the same one.
pub(super) fn start(roster: &watch::Sender<Roster>, tasks: &mut JoinSet<Ended>) -> Option<Screen> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let clock = Clock::start();
    let roster = roster.subscribe();
    tasks.spawn(async move {
        draw(roster, clock).await;
        Ended::helper("screen")
    });
    Some(Screen { clock })
}

async fn draw(roster: watch::Receiver<Roster>, clock: Clock) {
    let is_shared = std::io::stdout().is_terminal();
    let (mut before, mut then) = (Vec::new(), clock.now());
    loop {
        let (now, at) = (roster::ask(&roster).await.pipelines, clock.now());
        let is_printed_on = is_shared && roster.borrow().prints;
        if !now.is_empty() && !is_printed_on {
            show(&before, &now, at.saturating_sub(then).as_secs_f64());
        }
        (before, then) = (now, at);
        clock.sleep_until(Some(at + INTERVAL)).await;
    }
}

fn show(before: &[PipelineStatus], now: &[PipelineStatus], seconds: f64) {
    let (width, height) = terminal::size();
    terminal::draw(display::lines(View {
        before,
        now,
        seconds,
        width,
        height,
    }));
}

impl Screen {
    /// The last words.
    pub(super) fn sum_up(self, outcomes: &[Outcome]) {
        terminal::leave();
        let seconds = self.clock.now().as_secs_f64();
        for outcome in outcomes {
            let line = display::summary(&outcome.status, seconds);
            // Nobody looks, then.
            let _ = writeln!(terminal::Stderr, "{line}");
        }
    }
}
