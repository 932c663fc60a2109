//! Sinks: their kinds, how they batch and retry, and what one may not have in common with another.

use super::endpoint::{self, refuse_headers};
use super::report::{Report, parse_each};
use logship_crd::agent_config as agent;
use logship_crd::v1alpha1 as v1;
use std::collections::BTreeMap;

pub(super) fn parse_all(sinks: &[v1::Sink], report: &mut Report) -> Option<Vec<agent::Sink>> {
    check_paths(sinks, report);
    parse_each("spec.sinks", sinks, report, sink)
}

/// Two sinks that append to one file would tear each other's lines, and rotate each other's file.
fn check_paths(sinks: &[v1::Sink], report: &mut Report) {
    let mut first_with = BTreeMap::new();
    for (i, sink) in sinks.iter().enumerate() {
        let Some(file) = &sink.file else { continue };
        // As the file system reads it.
        let parts: Vec<&str> = file
            .path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if let Some(other) = first_with.insert(parts, &sink.name) {
            report.add(
                &format!("spec.sinks[{i}].file.path"),
                &file.path,
                format!("give it a file of its own: the sink {other:?} writes to this one"),
            );
        }
    }
}

fn sink(field: &str, sink: &v1::Sink, report: &mut Report) -> Option<agent::Sink> {
    let v1::Sink {
        name,
        when,
        stdout: _,
        file: _,
        http: _,
        loki: _,
        otlp: _,
        elasticsearch: _,
        batch,
        retry: v1::RetrySpec { max_age },
        when_full,
    } = sink;
    let batch = self::batch(&format!("{field}.batch"), batch, report);
    let retry_max_age_ms = report.duration_ms(&format!("{field}.retry.maxAge"), max_age);
    let kind = kind(field, sink, report);
    Some(agent::Sink {
        name: name.clone(),
        when: when.clone(),
        batch: batch?,
        retry: agent::Retry {
            max_age_ms: retry_max_age_ms?,
        },
        when_full: match when_full {
            v1::WhenFull::Block => agent::WhenFull::Block,
            v1::WhenFull::Drop => agent::WhenFull::Drop,
        },
        kind: kind?,
    })
}

fn batch(field: &str, batch: &v1::BatchSpec, report: &mut Report) -> Option<agent::Batch> {
    let v1::BatchSpec {
        max_bytes,
        max_age,
        in_flight,
    } = batch;
    let max_bytes = report.size(&format!("{field}.maxBytes"), max_bytes);
    let max_age_ms = report.duration_ms(&format!("{field}.maxAge"), max_age);
    Some(agent::Batch {
        max_bytes: max_bytes?,
        max_age_ms: max_age_ms?,
        in_flight: *in_flight,
    })
}

fn kind(field: &str, sink: &v1::Sink, report: &mut Report) -> Option<agent::SinkKind> {
    use agent::SinkKind::{Elasticsearch, File, Http, Loki, Otlp, Stdout};
    let mut kinds = Vec::new();
    let at = |kind: &str| format!("{field}.{kind}");
    if let Some(sink) = &sink.stdout {
        kinds.push(Some(Stdout(stdout(sink))));
    }
    if let Some(sink) = &sink.file {
        kinds.push(file(&at("file"), sink, report).map(File));
    }
    if let Some(sink) = &sink.http {
        kinds.push(http(&at("http"), sink, report).map(Http));
    }
    if let Some(sink) = &sink.loki {
        kinds.push(loki(&at("loki"), sink, report).map(Loki));
    }
    if let Some(sink) = &sink.otlp {
        kinds.push(otlp(&at("otlp"), sink, report).map(Otlp));
    }
    if let Some(sink) = &sink.elasticsearch {
        kinds.push(elasticsearch(&at("elasticsearch"), sink, report).map(Elasticsearch));
    }
    if let (Some(kind), true) = (kinds.pop(), kinds.is_empty()) {
        return kind;
    }
    let remedy = "give it exactly one kind: stdout, file, http, loki, otlp or elasticsearch";
    report.add(field, &sink.name, remedy);
    None
}

fn stdout(sink: &v1::StdoutSink) -> agent::StdoutSink {
    agent::StdoutSink {
        format: format(sink.format),
    }
}

fn file(field: &str, sink: &v1::FileSink, report: &mut Report) -> Option<agent::FileSink> {
    let v1::FileSink {
        path,
        format,
        rotation,
        fsync,
        summary,
    } = sink;
    let rotation = match rotation {
        Some(rotation) => Some(self::rotation(&format!("{field}.rotation"), rotation, report)?),
        None => None,
    };
    let summary = match summary {
        Some(v1::Summary { interval }) => Some(agent::SummarySettings {
            interval_ms: report.duration_ms(&format!("{field}.summary.interval"), interval)?,
        }),
        None => None,
    };
    Some(agent::FileSink {
        path: path.clone(),
        format: self::format(*format),
        rotation,
        fsync: match fsync {
            v1::Fsync::Never => agent::Fsync::Never,
            v1::Fsync::Batch => agent::Fsync::Batch,
        },
        summary,
    })
}

/// A bound that is not given is 0 in the document.
fn rotation(field: &str, rotation: &v1::Rotation, report: &mut Report) -> Option<agent::Rotation> {
    let v1::Rotation {
        max_bytes,
        max_age,
        keep,
    } = rotation;
    let max_bytes = match max_bytes {
        Some(max_bytes) => report.size(&format!("{field}.maxBytes"), max_bytes)?,
        None => 0,
    };
    let max_age_ms = match max_age {
        Some(max_age) => report.duration_ms(&format!("{field}.maxAge"), max_age)?,
        None => 0,
    };
    if max_bytes == 0 && max_age_ms == 0 {
        report.add(
            field,
            "",
            "give it at least one bound greater than zero: maxBytes or maxAge",
        );
    }
    Some(agent::Rotation {
        max_bytes,
        max_age_ms,
        keep: *keep,
    })
}

fn http(field: &str, sink: &v1::HttpSink, report: &mut Report) -> Option<agent::HttpSink> {
    let v1::HttpSink {
        endpoint,
        compression,
    } = sink;
    let endpoint::Parsed {
        url,
        headers,
        timeout_ms,
        auth,
        tls,
    } = endpoint::parse(field, endpoint, report)?;
    Some(agent::HttpSink {
        url,
        headers,
        compression: self::compression(*compression),
        timeout_ms,
        auth,
        tls,
    })
}

fn loki(field: &str, sink: &v1::LokiSink, report: &mut Report) -> Option<agent::LokiSink> {
    let v1::LokiSink {
        endpoint,
        tenant,
        labels,
        structured_metadata,
    } = sink;
    let is_tenant = |name: &str| name == "x-scope-orgid";
    refuse_headers(field, &endpoint.headers, is_tenant, "write it as tenant", report);
    let endpoint::Parsed {
        url,
        headers,
        timeout_ms,
        auth,
        tls,
    } = endpoint::parse(field, endpoint, report)?;
    Some(agent::LokiSink {
        url,
        tenant: tenant.clone(),
        labels: labels.clone(),
        structured_metadata: *structured_metadata,
        timeout_ms,
        headers,
        auth,
        tls,
    })
}

fn otlp(field: &str, sink: &v1::OtlpSink, report: &mut Report) -> Option<agent::OtlpSink> {
    let v1::OtlpSink {
        endpoint,
        protocol,
        compression,
        resource,
    } = sink;
    let is_grpc = |name: &str| name.starts_with("grpc-");
    let remedy = "leave it out: the sink sets it itself";
    refuse_headers(field, &endpoint.headers, is_grpc, remedy, report);
    let endpoint::Parsed {
        url,
        headers,
        timeout_ms,
        auth,
        tls,
    } = endpoint::parse(field, endpoint, report)?;
    Some(agent::OtlpSink {
        url,
        protocol: match protocol {
            v1::OtlpProtocol::Http => agent::OtlpProtocol::Http,
            v1::OtlpProtocol::Grpc => agent::OtlpProtocol::Grpc,
        },
        compression: self::compression(*compression),
        timeout_ms,
        headers,
        resource: resource.clone(),
        auth,
        tls,
    })
}

fn elasticsearch(
    field: &str,
    sink: &v1::ElasticsearchSink,
    report: &mut Report,
) -> Option<agent::ElasticsearchSink> {
    let v1::ElasticsearchSink {
        endpoint,
        index,
        ingest_pipeline,
        compression,
    } = sink;
    let endpoint::Parsed {
        url,
        headers,
        timeout_ms,
        auth,
        tls,
    } = endpoint::parse(field, endpoint, report)?;
    Some(agent::ElasticsearchSink {
        url,
        index: index.clone(),
        ingest_pipeline: ingest_pipeline.clone(),
        compression: self::compression(*compression),
        timeout_ms,
        headers,
        auth,
        tls,
    })
}

fn compression(compression: v1::Compression) -> agent::Compression {
    match compression {
        v1::Compression::Gzip => agent::Compression::Gzip,
        v1::Compression::Zstd => agent::Compression::Zstd,
        v1::Compression::None => agent::Compression::None,
    }
}

fn format(format: v1::StdoutFormat) -> agent::Format {
    match format {
        v1::StdoutFormat::Json => agent::Format::Json,
        v1::StdoutFormat::Text => agent::Format::Text,
    }
}
