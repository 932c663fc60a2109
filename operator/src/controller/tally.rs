//! The tally: how many pods run which generation of a resource, who refuses it and why, and what that comes to. Pure.

use super::status::Finding;
use super::survey::Heard;
use logship_crd::names::SIDECAR_ADMIN_PORT;
use logship_crd::report::{Report, cut, document_name};
use logship_crd::v1alpha1::{ConditionType, GenerationCount, LogShippingStatus, Refusal};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Generations that a status lists.
const GENERATIONS_MAX: usize = 10;
/// Refusals that a status lists.
const REFUSALS_MAX: usize = 10;
/// Bytes of why a pod refuses.
const REFUSAL_BYTES_MAX: usize = 1024;

/// A pod with a sidecar, as far as this resource is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carrier {
    /// Its name.
    pub(super) pod: String,
    /// It is not injected as it would be today.
    pub(super) is_outdated: bool,
    /// What is known of its sidecar.
    pub(super) heard: Heard,
}

/// What the pods of a resource run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) current: i32,
    pub(super) unknown: i32,
    pub(super) generations: Vec<GenerationCount>,
    pub(super) refusals: Vec<Refusal>,
    /// None: as before.
    pub(super) verdict: Option<Finding>,
}

/// What one sidecar does about the resource.
enum Stand<'a> {
    /// It has not started, or was not asked yet.
    NotHeard,
    /// Why it is not known.
    Silent(&'static str),
    /// It runs a generation, or none of them, and may refuse another.
    Runs(Option<i64>, Option<Refusal>, &'a Carrier),
}

/// Counts the carriers of `shipping`, which is at `generation`. Carriers are in the order of their names.
pub(super) fn tally(shipping: &str, generation: i64, carriers: &[Carrier]) -> Tally {
    let stands: Vec<(&str, Stand<'_>)> = carriers
        .iter()
        .map(|carrier| (carrier.pod.as_str(), stand(shipping, generation, carrier)))
        .collect();
    let mut tally = Tally::default();
    let mut generations = BTreeMap::<Reverse<i64>, i32>::new();
    for (_, stand) in &stands {
        match stand {
            Stand::NotHeard | Stand::Silent(_) => tally.unknown += 1,
            Stand::Runs(runs, refusal, _) => {
                tally.current += i32::from(*runs == Some(generation));
                if let Some(runs) = runs {
                    *generations.entry(Reverse(*runs)).or_default() += 1;
                }
                tally.refusals.extend(refusal.clone());
            }
        }
    }
    let count = |(Reverse(generation), pods)| GenerationCount { generation, pods };
    tally.generations = generations.into_iter().take(GENERATIONS_MAX).map(count).collect();
    tally.verdict = Some(verdict(generation, &tally, &stands));
    tally.refusals.truncate(REFUSALS_MAX);
    tally
}

/// The tally, or what was published of this generation before, where some pod is to be asked yet: otherwise each new leader, and each new
/// pod, would make the counts fall for a moment.
pub(super) fn unless_incomplete(
    tally: Tally,
    carriers: &[Carrier],
    previous: &LogShippingStatus,
    generation: Option<i64>,
) -> Tally {
    let is_incomplete = carriers.iter().any(|carrier| carrier.heard == Heard::NotAsked);
    let mut conditions = previous.conditions.iter();
    let was_told = conditions.any(|condition| condition.type_ == ConditionType::Applied.name());
    if !is_incomplete || !was_told || previous.observed_generation != generation {
        return tally;
    }
    Tally {
        current: previous.pods.current,
        unknown: previous.pods.unknown,
        generations: previous.generations.clone(),
        refusals: previous.refusals.clone(),
        verdict: None,
    }
}

fn stand<'a>(shipping: &str, generation: i64, carrier: &'a Carrier) -> Stand<'a> {
    match &carrier.heard {
        Heard::NotStarted | Heard::NotAsked => Stand::NotHeard,
        Heard::Silent(silence) => Stand::Silent(silence.text()),
        Heard::Report(report) => {
            let runs = report.applied_generations.get(shipping).copied();
            let refusal = refusal(shipping, generation, &carrier.pod, report);
            Stand::Runs(runs, refusal, carrier)
        }
    }
}

/// What the sidecar says against the document of this resource, or against all of them together. What it said against an older one is
/// past: the newer one has not reached it yet.
fn refusal(shipping: &str, generation: i64, pod: &str, report: &Report) -> Option<Refusal> {
    let own = document_name(shipping);
    let rejection = report.rejected.iter().find(|rejection| {
        rejection
            .document
            .as_ref()
            .is_none_or(|document| *document == own)
            && rejection.generation.is_none_or(|refused| refused >= generation)
    })?;
    let mut message = rejection.errors.join("\n");
    cut(&mut message, REFUSAL_BYTES_MAX);
    Some(Refusal {
        pod: pod.to_owned(),
        generation: rejection.generation,
        message,
    })
}

fn verdict(generation: i64, tally: &Tally, stands: &[(&str, Stand<'_>)]) -> Finding {
    let Tally { current, .. } = *tally;
    let all = stands.len();
    if all == 0 {
        return Finding {
            status: "True",
            reason: "NoPods",
            message: "no pod carries the sidecar".to_owned(),
        };
    }
    let counted = format!("{current} of {all} pods run generation {generation}");
    if let Some(refusal) = tally.refusals.first() {
        return refused(refusal, tally.refusals.len(), stands, &counted);
    }
    let behind = || {
        stands.iter().filter_map(|(pod, stand)| match stand {
            Stand::Runs(runs, _, carrier) if *runs != Some(generation) => Some((*pod, *runs, *carrier)),
            Stand::Runs(..) | Stand::NotHeard | Stand::Silent(_) => None,
        })
    };
    // Not mounted, so it will never come.
    if let Some((pod, ..)) = behind().find(|(_, runs, carrier)| runs.is_none() && carrier.is_outdated) {
        return Finding {
            status: "False",
            reason: "Outdated",
            message: format!(
                "{counted}; {pod} was created before this resource selected it: recreate it, for example with kubectl rollout restart"
            ),
        };
    }
    if let Some((pod, runs, _)) = behind().next() {
        let runs = runs.map_or("none yet".to_owned(), |runs| format!("generation {runs}"));
        return Finding {
            status: "Unknown",
            reason: "Pending",
            message: format!(
                "{counted}; {pod}, for example, runs {runs}: the kubelet takes up to a minute and a half to bring a change"
            ),
        };
    }
    let silent = stands.iter().find_map(|(pod, stand)| match stand {
        Stand::Silent(why) => Some((pod, why)),
        Stand::NotHeard | Stand::Runs(..) => None,
    });
    if let Some((pod, why)) = silent {
        return Finding {
            status: "Unknown",
            reason: "Unreachable",
            message: format!(
                "{counted}; others cannot be asked at port {SIDECAR_ADMIN_PORT}, for example {pod}: {why}. Their logs are shipped all \
                 the same; a NetworkPolicy may have to let the operator in"
            ),
        };
    }
    if current == 0 {
        return Finding {
            status: "Unknown",
            reason: "Pending",
            message: format!("{counted}: the sidecars have not started yet"),
        };
    }
    let is_outdated =
        |(_, stand): &&(&str, Stand<'_>)| matches!(stand, Stand::Runs(_, _, carrier) if carrier.is_outdated);
    let outdated = stands.iter().filter(is_outdated).count();
    let hint = match outdated {
        0 => String::new(),
        outdated => format!("; what cannot change in a running pod is as it was in {outdated} (outdated)"),
    };
    Finding {
        status: "True",
        reason: "Applied",
        message: format!("{counted}{hint}"),
    }
}

fn refused(refusal: &Refusal, refusals: usize, stands: &[(&str, Stand<'_>)], counted: &str) -> Finding {
    let Refusal {
        pod,
        generation,
        message,
    } = refusal;
    let what = generation.map_or("what it was given".to_owned(), |generation| {
        format!("generation {generation}")
    });
    let runs = stands.iter().find_map(|(name, stand)| match stand {
        Stand::Runs(runs, ..) if name == pod => *runs,
        Stand::Runs(..) | Stand::NotHeard | Stand::Silent(_) => None,
    });
    let goes_on = runs.map_or("runs nothing of this resource".to_owned(), |runs| {
        format!("goes on with generation {runs}")
    });
    let others = match refusals {
        1 => String::new(),
        all => format!("; {} more refuse it", all - 1),
    };
    Finding {
        status: "False",
        reason: "Refused",
        message: format!("{counted}; {pod} refuses {what} and {goes_on}{others}: {message}"),
    }
}

#[cfg(test)]
mod tests;
