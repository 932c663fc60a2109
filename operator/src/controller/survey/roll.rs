//! The roll: which sidecars are asked, when, and what they said. Pure: time and randomness are parameters.
//!
//! Guarantees: a sidecar that is not known to run what it should is asked again after a quarter of the time that has passed since that
//! changed (at least a second, at most five minutes), so that what is told is never much older than it took; one that runs it is asked
//! rarely. What was heard stays until several questions in a row were in vain. There is one entry for each pod, and none for others.

use super::answer::{Silence, is_of_a_pod};
use core::net::IpAddr;
use logship_crd::report::{PodName, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Between two questions to a sidecar that runs what it should.
const RECHECK: Duration = Duration::from_secs(600);
/// So many questions in vain, in a row, and it is not known any more what a sidecar runs.
const FAILURES_MAX: u32 = 3;

/// What is known of a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) enum Heard {
    /// It does not run yet.
    NotStarted,
    /// It is about to be asked.
    NotAsked,
    /// It does not answer.
    Silent(Silence),
    /// What it said.
    Report(Arc<Report>),
}

/// A sidecar to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) pod: PodName,
    pub(super) address: IpAddr,
}

/// Every sidecar that is asked.
#[derive(Debug, Default)]
pub(super) struct Roll(BTreeMap<PodName, Entry>);

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    /// The generation that it should run, by resource.
    wanted: BTreeMap<String, i64>,
    /// When that or the address changed last.
    since: Instant,
    next: Instant,
    is_asked: bool,
    heard: Heard,
    /// In a row.
    failures: u32,
}

impl Roll {
    /// From now on the sidecars at `addresses`, by the names of their pods, and no others of the namespace should run this generation
    /// of `shipping`.
    pub(super) fn expect(
        &mut self,
        namespace: &str,
        shipping: &str,
        generation: i64,
        addresses: &BTreeMap<&str, IpAddr>,
        now: Instant,
    ) {
        self.keep(namespace, |pod, resource| {
            resource != shipping || addresses.contains_key(pod)
        });
        for (name, address) in addresses {
            if !is_of_a_pod(*address) {
                continue;
            }
            let pod = PodName {
                namespace: namespace.to_owned(),
                name: (*name).to_owned(),
            };
            let entry = self
                .0
                .entry(pod)
                .and_modify(|entry| {
                    if entry.address != *address {
                        *entry = Entry {
                            wanted: std::mem::take(&mut entry.wanted),
                            ..Entry::new(*address, now)
                        };
                    }
                })
                .or_insert_with(|| Entry::new(*address, now));
            if entry.wanted.get(shipping) != Some(&generation) {
                entry.wanted.insert(shipping.to_owned(), generation);
                entry.since = now;
                entry.next = now;
            }
        }
    }

    /// Leaves out the resources of which `is_there(namespace, name)` is false.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str, &str) -> bool) {
        self.0.retain(|pod, entry| {
            entry
                .wanted
                .retain(|shipping, _| is_there(&pod.namespace, shipping));
            !entry.wanted.is_empty()
        });
    }

    /// What is known of a pod's sidecar.
    pub(super) fn heard(&self, pod: &PodName) -> Heard {
        self.0
            .get(pod)
            .map_or(Heard::NotStarted, |entry| entry.heard.clone())
    }

    /// When the next sidecar is to be asked.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.0.values().filter(|entry| !entry.is_asked);
        waiting.map(|entry| entry.next).min()
    }

    /// Up to `max` sidecars that are to be asked now, those first that wait longest. Each must be settled.
    pub(super) fn due(&mut self, now: Instant, max: usize) -> Vec<Question> {
        let mut due: Vec<(&PodName, &mut Entry)> = self
            .0
            .iter_mut()
            .filter(|(_, entry)| !entry.is_asked && entry.next <= now)
            .collect();
        due.sort_by_key(|(_, entry)| entry.next);
        due.truncate(max);
        due.into_iter()
            .map(|(pod, entry)| {
                entry.is_asked = true;
                Question {
                    pod: pod.clone(),
                    address: entry.address,
                }
            })
            .collect()
    }

    /// What came of a question; `random` is in `0..1`. Returns the resources of which something else is known now.
    pub(super) fn settle(
        &mut self,
        Question { pod, address }: &Question,
        answer: Result<Report, Silence>,
        now: Instant,
        random: f64,
    ) -> BTreeSet<String> {
        let Some(entry) = self.0.get_mut(pod) else {
            return BTreeSet::new();
        };
        if entry.address != *address {
            return BTreeSet::new();
        }
        entry.is_asked = false;
        let heard = match answer {
            Ok(report) => {
                entry.failures = 0;
                Heard::Report(Arc::new(report))
            }
            Err(silence) => {
                entry.failures = entry.failures.saturating_add(1);
                if entry.failures < FAILURES_MAX {
                    entry.heard.clone()
                } else {
                    Heard::Silent(silence)
                }
            }
        };
        let is_news = heard != entry.heard;
        entry.heard = heard;
        entry.next = now + entry.pause(now, random);
        if is_news {
            entry.wanted.keys().cloned().collect()
        } else {
            BTreeSet::new()
        }
    }

    fn keep(&mut self, namespace: &str, is_kept: impl Fn(&str, &str) -> bool) {
        let first = PodName {
            namespace: namespace.to_owned(),
            name: String::new(),
        };
        let mut empty = Vec::new();
        for (pod, entry) in self.0.range_mut(first..) {
            if pod.namespace != namespace {
                break;
            }
            entry.wanted.retain(|shipping, _| is_kept(&pod.name, shipping));
            if entry.wanted.is_empty() {
                empty.push(pod.clone());
            }
        }
        for pod in empty {
            self.0.remove(&pod);
        }
    }
}

impl Entry {
    fn new(address: IpAddr, now: Instant) -> Self {
        Self {
            address,
            wanted: BTreeMap::new(),
            since: now,
            next: now,
            is_asked: false,
            heard: Heard::NotAsked,
            failures: 0,
        }
    }

    fn pause(&self, now: Instant, random: f64) -> Duration {
        if self.failures == 0 && self.runs_what_it_should() {
            return RECHECK.mul_f64(1.0 - random / 5.0);
        }
        let passed = now.saturating_duration_since(self.since);
        (passed / 4).clamp(PAUSE_MIN, PAUSE_MAX)
    }

    fn runs_what_it_should(&self) -> bool {
        let Heard::Report(report) = &self.heard else {
            return false;
        };
        let runs = |(shipping, generation): (&String, &i64)| {
            report
                .applied_generations
                .get(shipping)
                .is_some_and(|applied| applied >= generation)
        };
        report.rejected.is_empty() && self.wanted.iter().all(runs)
    }
}

#[cfg(test)]
mod tests;
