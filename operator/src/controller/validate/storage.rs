//! What a resource keeps on the state volume: dead letters, and container output that sinks do not take. Together they have to fit,
//! because the kubelet evicts a pod whose emptyDir is larger than its limit. What other resources of the pod keep there has room beside
//! it (`inject/state.rs`).

use super::report::Report;
use crate::inject::room;
use logship_crd::types::size_text;
use logship_crd::{agent_config as agent, v1alpha1 as v1};

/// What a source keeps by default.
const SPILL_BYTES: u64 = 16 << 20;
/// Less is not worth its files.
const SPILL_BYTES_MIN: u64 = 1 << 20;

/// Gives every source that says nothing as much as there is room for, half of it at most: sinks that write files use the volume as well.
/// Where sources say it and it does not fit, that is a mistake.
pub(super) fn share(
    spec: &v1::LogShippingSpec,
    sources: &mut [agent::Source],
    dead_letter_bytes: u64,
    report: &mut Report,
) {
    let sinks = u64::try_from(spec.sinks.len()).unwrap_or(u64::MAX);
    let others = sinks
        .saturating_mul(dead_letter_bytes)
        .saturating_add(agent::RESERVED_BYTES);
    let said = spec.sources.iter().map(said).collect::<Vec<_>>();
    let asked: u64 = outputs(sources)
        .zip(&said)
        .filter(|(_, said)| said.is_some())
        .filter_map(|(output, _)| Some(output?.spill.max_bytes))
        .fold(0, u64::saturating_add);
    let limit = room(&spec.sidecar.state);
    let free = limit.map(|limit| limit.saturating_sub(others));
    if free.is_some_and(|free| asked > free) {
        let (limit, free) = (limit.unwrap_or_default(), free.unwrap_or_default());
        for (index, text) in said.iter().enumerate() {
            let Some(text) = text.filter(|text| *text != "0") else {
                continue;
            };
            report.add(
                &format!("spec.sources[{index}].containerOutput.spill.maxBytes"),
                text,
                format!(
                    "the state volume has {} for all of these together, of {} with {sinks} dead-letter files of {}: write less, or raise spec.sidecar.state.emptyDir.sizeLimit or lower spec.limits.deadLetterBytes",
                    size_text(free),
                    size_text(limit),
                    size_text(dead_letter_bytes),
                ),
            );
        }
        return;
    }
    let silent = outputs(sources)
        .zip(&said)
        .filter(|(output, said)| output.is_some() && said.is_none());
    let silent = u64::try_from(silent.count()).unwrap_or(u64::MAX).max(1);
    let each = free.map_or(SPILL_BYTES, |free| {
        let each = (free - asked) / 2 / silent;
        each / SPILL_BYTES_MIN * SPILL_BYTES_MIN
    });
    for (source, said) in sources.iter_mut().zip(&said) {
        if let (agent::SourceKind::ContainerOutput(output), None) = (&mut source.kind, said) {
            output.spill.max_bytes = each.min(SPILL_BYTES);
        }
    }
}

/// What a source says of its spill.
pub(super) fn said(source: &v1::Source) -> Option<&str> {
    let spill = source.container_output.as_ref()?.spill.as_ref()?;
    Some(&spill.max_bytes)
}

fn outputs(sources: &[agent::Source]) -> impl Iterator<Item = Option<&agent::ContainerOutputSource>> {
    sources.iter().map(|source| match &source.kind {
        agent::SourceKind::ContainerOutput(output) => Some(output),
        agent::SourceKind::Files(_) => None,
    })
}
