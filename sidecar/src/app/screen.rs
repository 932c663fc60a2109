//! Shows a person at a terminal what the pipelines do. Without a terminal there is nothing of it.

use super::Ended;
use crate::admin::{self, StatusPorts};
use crate::config::{Config, SinkKind};
use crate::display::{self, View};
use crate::driver::Outcome;
use crate::engine::status::PipelineStatus;
use crate::io::clock::Clock;
use crate::io::terminal;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::task::JoinSet;

/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(500);

/// A screen that somebody looks at.
pub(super) struct Screen {
    clock: Clock,
}

/// Starts to draw, if there is a terminal; not over records that are printed on the same one.
pub(super) fn start(config: &Config, ports: &StatusPorts, tasks: &mut JoinSet<Ended>) -> Option<Screen> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let clock = Clock::start();
    let mut sinks = config.pipelines.iter().flat_map(|pipeline| &pipeline.sinks);
    let prints = sinks.any(|sink| matches!(sink.kind, SinkKind::Stdout)) && std::io::stdout().is_terminal();
    if !prints {
        let ports = ports.clone();
        tasks.spawn(async move {
            draw(ports, clock).await;
            Ended::Helper("screen".to_owned())
        });
    }
    Some(Screen { clock })
}

async fn draw(ports: StatusPorts, clock: Clock) {
    let (mut before, mut then) = (Vec::new(), clock.now());
    loop {
        let (now, at) = (admin::collect(&ports).await, clock.now());
        if !now.is_empty() {
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
