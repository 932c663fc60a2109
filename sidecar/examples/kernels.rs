//! The inner loops of the data plane, one by one, for measuring: `kernels list`, `kernels NAME COUNT`.
//!
//! Prints nanoseconds for each line. Instructions for each line are the difference of two counts under callgrind:
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null kernels NAME COUNT`, because the start costs some too.

use bytes::Bytes;
use fastrand::Rng;
use flate2::write::GzEncoder;
use logship::config::{Environment, Pod, from_document};
use logship::engine::checkpoint::Identity;
use logship::engine::follow::Drain;
use logship::engine::tail::{Chunk, Entry, Look};
use logship::engine::{Engine, Input, Output, Start, Tick};
use logship::pipeline::parse::{Memory, Parser};
use logship::record::{Fields, Labels, Record, Stream, Value};
use logship::sink::compress::Codec;
use logship::sink::encode::{Elasticsearch, Encode, Gathered, Json, Loki, Otlp};
use logship::sink::verdict::Verdict;
use logship_crd::agent_config::{ParseFormat, ParseStep};
use serde::de::DeserializeOwned;
use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

/// The usual size of a batch.
const BATCH_BYTES: usize = 1 << 20;

/// Bytes of a read.
const READ_BYTES: usize = 256 << 10;
/// Lines of a file until they repeat.
const DIFFERENT_LINES: u64 = 1000;

/// Does its work so many times.
type Kernel = fn(count: u64);

/// All kernels; a new one is a line here and a function below.
const KERNELS: &[(&str, Kernel)] = &[
    ("nginx", nginx),
    ("json", json),
    ("cri", cri),
    ("logfmt", logfmt),
    ("syslog", syslog),
    ("regex", regex),
    ("loki_encode", |count| encode(&loki(), false, count)),
    ("loki_encode_fields", |count| encode(&loki(), true, count)),
    ("loki_request", |count| request(&loki(), count)),
    ("otlp_encode", |count| encode(&otlp(), false, count)),
    ("otlp_encode_fields", |count| encode(&otlp(), true, count)),
    ("otlp_request", |count| request(&otlp(), count)),
    ("elasticsearch_encode", |count| {
        encode(&Elasticsearch, false, count);
    }),
    ("elasticsearch_encode_fields", |count| {
        encode(&Elasticsearch, true, count);
    }),
    ("json_encode", |count| encode(&Json, false, count)),
    ("json_encode_fields", |count| encode(&Json, true, count)),
    ("pipeline_cri", |count| pipeline(CRI_DOCUMENT, cri_line, count)),
    ("pipeline_json", |count| pipeline(JSON_DOCUMENT, json_line, count)),
    ("pipeline_nginx", |count| {
        pipeline(NGINX_DOCUMENT, nginx_line, count);
    }),
    ("gzip_application", |count| compress(application, ours, count)),
    ("gzip_access", |count| compress(access, ours, count)),
    ("zlib_application", |count| compress(application, zlib, count)),
    ("zlib_access", |count| compress(access, zlib, count)),
];

/// Those of the bench.
const CRI_DOCUMENT: &str = include_str!("../../tests/bench/configurations/logship-cri-otlp.json");
const JSON_DOCUMENT: &str = include_str!("../../tests/bench/configurations/logship-json-otlp.json");
const NGINX_DOCUMENT: &str = include_str!("../../tests/bench/configurations/logship-nginx-otlp.json");

const NGINX_LINE: &str = r#"203.0.113.42 - - [06/Oct/2016:00:17:09 +0000] "GET /api/v1/items/1234?page=2 HTTP/1.1" 200 5316 "https://shop.example.com/items" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0""#;
const JSON_LINE: &str = r#"{"time":"2016-10-06T00:17:09.669794202Z","level":"info","logger":"com.example.shop.OrderService","message":"order accepted and sent to the warehouse","order":123456789,"amount":59.95,"paid":true,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
const CRI_LINE: &str =
    "2016-10-06T00:17:09.669794202Z stdout F The content of the log entry, of about a hundred bytes in all";
const LOGFMT_LINE: &str = r#"ts=2016-10-06T00:17:09.669794202Z level=info caller=order.go:42 msg="order accepted and sent" order=123456789 amount=59.95 duration=12ms user=anna"#;
const SYSLOG_LINE: &str = "<134>Oct  6 00:17:09 node-17 haproxy[2841]: 203.0.113.42:51234 [06/Oct/2016:00:17:09.669] front back/web-1 0/0/1/12/13 200 5316";

/// 243 bytes, as the bench has them.
const ACCESS_LINE: &str = r#"203.0.113.42 - - [06/Oct/2016:00:17:09 +0000] "GET /api/v1/items/1234?page=2&sort=price HTTP/1.1" 200 5316 "https://shop.example.com/items/all" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 shop/1.22" 0.004 - 0.003 ms"#;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for (name, _) in KERNELS {
                say(name);
            }
            ExitCode::SUCCESS
        }
        [name, count] => {
            let kernel = KERNELS.iter().find(|(known, _)| *known == name);
            let (Some((_, kernel)), Ok(count)) = (kernel, count.parse()) else {
                return usage();
            };
            say(&measured(name, *kernel, count));
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn measured(name: &str, kernel: Kernel, count: u64) -> String {
    let start = Instant::now();
    kernel(count);
    let nanos = start.elapsed().as_nanos();
    let tenths = nanos * 10 / u128::from(count.max(1));
    format!("{name} {count} lines {}.{} ns/line", tenths / 10, tenths % 10)
}

#[expect(clippy::print_stdout, reason = "a command line")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "a command line")]
fn usage() -> ExitCode {
    eprintln!("usage: kernels list | kernels NAME COUNT");
    ExitCode::from(64)
}

fn nginx(count: u64) {
    parse(ParseFormat::NginxCombined, None, NGINX_LINE, count);
}

fn json(count: u64) {
    parse(ParseFormat::Json, None, JSON_LINE, count);
}

fn cri(count: u64) {
    parse(ParseFormat::Cri, None, CRI_LINE, count);
}

fn logfmt(count: u64) {
    parse(ParseFormat::Logfmt, None, LOGFMT_LINE, count);
}

fn syslog(count: u64) {
    parse(ParseFormat::Syslog, None, SYSLOG_LINE, count);
}

fn regex(count: u64) {
    let pattern = r"^<(?P<priority>\d+)>(?P<time>\w+ +\d+ \S+) (?P<host>\S+) (?P<app>\w+)\[(?P<pid>\d+)\]: (?P<message>.*)$";
    parse(ParseFormat::Regex, Some(pattern), SYSLOG_LINE, count);
}

/// The step `parse` on the same line again and again, with the memory of the fields used again as the engine does.
fn parse(format: ParseFormat, pattern: Option<&str>, line: &str, count: u64) {
    let pattern = pattern.map(str::to_owned);
    let parser = Parser::compile(&ParseStep { format, pattern }).expect("the step is right");
    let (mut room, mut memory) = (Fields::default(), Memory::default());
    for _ in 0..count {
        let mut record = Record::new(0, black_box(line.as_bytes()));
        record.fields = room.recycle();
        parser.run(&mut record, &mut memory);
        let record = black_box(record);
        assert!(!record.parse_failed, "the line has the format");
        room = record.fields.recycle();
    }
}

fn loki() -> Loki {
    Loki::new(&sink())
}

fn otlp() -> Otlp {
    Otlp::new(&sink())
}

/// A sink with nothing but its URL.
fn sink<T: DeserializeOwned>() -> T {
    serde_json::from_str(r#"{"url":"http://receiver"}"#).expect("a URL is enough")
}

/// The same record again and again into a batch of the usual size, whose memory is used again.
fn encode(encoder: &dyn Encode, has_fields: bool, count: u64) {
    let common = encoder.prepare(&labels());
    let record = record(has_fields);
    let mut batch = Vec::with_capacity(BATCH_BYTES + 4096);
    for _ in 0..count {
        if batch.len() > BATCH_BYTES {
            black_box(&mut batch).clear();
        }
        encoder.append(black_box(&common), black_box(&record), &mut batch);
    }
    black_box(batch);
}

/// The bodies of requests, for so many records that are encoded already.
fn request(encoder: &dyn Encode, count: u64) {
    let common = encoder.prepare(&labels());
    let record = record(false);
    let mut gathered = Gathered::default();
    while gathered.body.len() < BATCH_BYTES {
        encoder.append(&common, &record, &mut gathered.body);
        gathered.close_record(&common);
    }
    let batch = gathered.seal().expect("it has records");
    for _ in 0..count.div_ceil(batch.records() as u64) {
        black_box(encoder.wrap(black_box(&batch)));
    }
}

/// Everything that a line goes through but the system calls and the compression: the engine of a document reads a file to its end, and
/// its batches become the bodies of requests that are taken at once.
fn pipeline(document: &str, line: fn(u64) -> String, count: u64) {
    let document = document.replace("@DIRECTORY@", "/logs").replace("@PORT@", "1");
    let config = from_document(&Environment::default(), "bench.json", &document, None);
    let config = config.expect("the bench's documents are right");
    let pipeline = &config.pipelines[0];
    let start = Start {
        pod: &Pod::default(),
        checkpoint: None,
        spools: std::collections::BTreeMap::new(),
        persistent: true,
        is_first: true,
        once: true,
        seed: 1,
    };
    let mut engine = Engine::new(pipeline, start);
    let file = Repeating::new(line, count);
    let mut now = Tick::ZERO;
    engine.handle(now, Input::Drain(Drain::WhatIsThere));
    loop {
        let input = match engine.poll(now) {
            Some(Output::List { source, .. }) => Input::Listed {
                source,
                listing: Ok(vec![file.entry()]),
            },
            Some(Output::Open { file: opened, .. }) => Input::Opened {
                file: opened,
                look: file.look(),
            },
            Some(Output::Read {
                file: read, offset, ..
            }) => Input::Chunk {
                file: read,
                chunk: file.chunk(offset),
            },
            Some(Output::Send { sink, id, batch }) => {
                black_box(pipeline.sinks[sink].lane.encoder.wrap(&batch));
                Input::Settled {
                    sink,
                    batch: id,
                    verdict: Verdict::Delivered,
                }
            }
            Some(Output::Finished { drained }) => return assert!(drained, "every line is sent"),
            Some(_) => continue,
            None => {
                now = engine.next_deadline().expect("it has not finished");
                continue;
            }
        };
        engine.handle(now, input);
    }
}

/// A file whose lines come again and again.
struct Repeating {
    /// A period, and after it what a read that begins at the period's end needs.
    text: Vec<u8>,
    period: usize,
    size: u64,
}

impl Repeating {
    fn new(line: fn(u64) -> String, count: u64) -> Self {
        let period: String = (0..DIFFERENT_LINES).map(line).collect();
        Self {
            text: period.repeat(2 + READ_BYTES / period.len()).into_bytes(),
            period: period.len(),
            size: period.len() as u64 * count.div_ceil(DIFFERENT_LINES),
        }
    }

    fn identity() -> Identity {
        Identity { device: 1, inode: 1 }
    }

    fn entry(&self) -> Entry {
        Entry {
            name: "input.log".to_owned(),
            identity: Self::identity(),
            size: self.size,
            modified_ns: 1,
            matches: true,
        }
    }

    fn look(&self) -> Look<'_> {
        Look {
            identity: Self::identity(),
            size: self.size,
            head: &self.text[..1024],
        }
    }

    fn chunk(&self, offset: u64) -> Chunk<'_> {
        let usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let start = usize(offset % self.period as u64);
        let length = READ_BYTES.min(usize(self.size - offset));
        Chunk {
            size: self.size,
            head: None,
            bytes: &self.text[start..start + length],
            wall: 1_475_713_029_669_794_202,
        }
    }
}

/// Lines as long as those of the bench, each with a number of its own.
fn cri_line(number: u64) -> String {
    let content = format!(
        "level=info msg=\"request served\" id=seq-{number:09} trace={:016x} status=200 bytes={} ms=17.25 note= cart order retry",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        number * 7 % 100_000,
    );
    in_cri(number, &format!("{content:<198}"))
}

fn json_line(number: u64) -> String {
    let content = format!(
        r#"{{"level":"info","msg":"request served","id":"seq-{number:09}","trace":"{:016x}","status":200,"bytes":{},"ms":17.25,"note":"#,
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        number * 7 % 100_000,
    );
    in_cri(number, &format!("{content}\"{:<1$}\"}}", "", 195 - content.len()))
}

fn in_cri(number: u64, content: &str) -> String {
    format!("2026-01-02T03:04:05.{number:09}Z stdout F {content}\n")
}

fn nginx_line(number: u64) -> String {
    let status = if number.is_multiple_of(100) { 502 } else { 200 };
    format!(
        "10.1.2.{} - - [02/Jan/2026:03:04:05 +0000] \"GET /items/seq-{number:09}?page=3 HTTP/1.1\" {status} {} \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\"\n",
        number % 250,
        number * 7 % 100_000,
    )
}

/// Compresses the body of an OTLP request with records of such lines.
fn compress(line: fn(&mut Rng) -> (String, ParseFormat), codec: fn(&Bytes) -> usize, count: u64) {
    let encoder = otlp();
    let common = encoder.prepare(&labels());
    let mut random = Rng::with_seed(1);
    let mut gathered = Gathered::default();
    while gathered.body.len() < BATCH_BYTES {
        let (line, format) = line(&mut random);
        let step = ParseStep {
            format,
            pattern: None,
        };
        let mut record = Record {
            stream: Some(Stream::Stdout),
            ..Record::new(
                1_475_713_029_000_000_000 + i64::from(random.u32(..)),
                line.as_bytes(),
            )
        };
        Parser::compile(&step)
            .expect("the step is right")
            .run(&mut record, &mut Memory::default());
        encoder.append(&common, &record, &mut gathered.body);
        gathered.close_record(&common);
    }
    let batch = gathered.seal().expect("it has records");
    let body = encoder.wrap(&batch);
    let mut compressed = 0;
    for _ in 0..count.div_ceil(batch.records() as u64) {
        compressed = codec(black_box(&body));
    }
    let per_line = |bytes: usize| bytes / batch.records();
    say(&format!(
        "{} bytes/line, {} when compressed",
        per_line(body.len()),
        per_line(compressed)
    ));
}

/// By the codec of the sinks.
fn ours(body: &Bytes) -> usize {
    Codec::Gzip.compress(body.clone()).expect("it is in memory").len()
}

/// By the library beside which ours has to stand.
fn zlib(body: &Bytes) -> usize {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    encoder.write_all(body).expect("it is in memory");
    encoder.finish().expect("it is in memory").len()
}

/// A line as an application writes it behind CRI's time, and how it is parsed.
fn application(random: &mut Rng) -> (String, ParseFormat) {
    const WORDS: [&str; 8] = [
        "cart", "order", "payment", "cache", "retry", "shard", "queue", "session",
    ];
    let level = if random.u8(..) < 200 { "info" } else { "debug" };
    let (nanos, id, trace) = (
        random.u32(..1_000_000_000),
        random.u32(..1_000_000),
        random.u64(..),
    );
    let (status, size, time) = (status(random), random.u32(..100_000), random.u16(..400));
    let words: Vec<&str> = (0..12).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
    let line = format!(
        "2016-10-06T00:17:09.{nanos:09}Z stdout F level={level} msg=\"request served\" id={id:09} trace={trace:016x} status={status} bytes={size} ms={time} note={}",
        words.join(" ")
    );
    (line, ParseFormat::Cri)
}

/// A line of nginx, and how it is parsed.
fn access(random: &mut Rng) -> (String, ParseFormat) {
    let (a, b, id, page) = (
        random.u8(..),
        random.u8(..),
        random.u32(..1_000_000),
        random.u8(..40),
    );
    let (status, size, version) = (status(random), random.u32(..100_000), random.u8(90..140));
    let line = format!(
        r#"10.17.{a}.{b} - - [06/Oct/2016:00:17:09 +0000] "GET /items/{id:09}?page={page} HTTP/1.1" {status} {size} "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0 Safari/537.36""#
    );
    (line, ParseFormat::NginxCombined)
}

fn status(random: &mut Rng) -> u16 {
    if random.u8(..) < 230 { 200 } else { 404 }
}

fn labels() -> Labels {
    let text = |text: &str| Some(text.to_owned());
    Labels {
        source: "output".to_owned(),
        resource: text("shop-logs"),
        file: None,
        namespace: text("shop"),
        pod: text("frontend-6d5f7c9b8-x2x4q"),
        container: text("frontend"),
        node: text("node-17"),
    }
}

fn record(has_fields: bool) -> Record<'static> {
    let mut record = Record {
        stream: Some(Stream::Stdout),
        ..Record::new(1_475_713_029_669_794_202, ACCESS_LINE.as_bytes())
    };
    if has_fields {
        for (name, value) in [
            ("client", Value::text("203.0.113.42")),
            ("method", Value::text("GET")),
            ("path", Value::text("/api/v1/items/1234")),
            ("status", Value::Int(200)),
            ("bytes", Value::Int(5316)),
            ("duration", Value::Float(0.004)),
            ("cached", Value::Bool(false)),
            ("agent", Value::text("Mozilla/5.0 (X11; Linux x86_64; rv:128.0)")),
        ] {
            record.fields.set(name, value);
        }
    }
    record
}
