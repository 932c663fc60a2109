//! One record on its way from a source through the pipeline to the sinks.
//!
//! A record borrows: its body is the read buffer's until a step changes it, its fields point into the body where they can. What
//! is the same for every record of a stream is not here but in [`Labels`], once per stream.

pub mod time;

use self::time::Nanos;
use serde::Serialize;
use std::borrow::Cow;

/// More fields of one record are not kept.
pub const FIELDS_MAX: usize = 256;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// When it was written, as far as that is known; otherwise when it was read.
    pub time: Nanos,
    /// When it was read.
    pub observed: Nanos,
    /// Of which of a container's outputs it is.
    pub stream: Option<Stream>,
    /// How bad it is, once a step has found out.
    pub severity: Option<Severity>,
    /// Its bytes.
    pub body: Cow<'a, [u8]>,
    /// The length that it had before it was truncated.
    pub original_bytes: Option<u64>,
    /// A step could not make sense of it.
    pub parse_failed: bool,
    /// What steps extracted or set.
    pub fields: Fields<'a>,
}

/// One of a container's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How bad a record is, with the levels of OpenTelemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Finest detail.
    Trace,
    /// For who looks for a mistake.
    Debug,
    /// Ordinary.
    Info,
    /// Worth a look.
    Warn,
    /// A failure.
    Error,
    /// The end of a process.
    Fatal,
}

/// The names and values of one record, in the order in which they were found; names are unique.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// The value of a field, with the type that it had.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// JSON's null.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// An integer beyond [`i64::MAX`] that fits.
    Uint(u64),
    /// A number with a fraction or an exponent; finite.
    Float(f64),
    /// A JSON number that none of these holds exactly, as it was written: `1e400`, `123456789012345678901234567890`.
    Number(Cow<'a, str>),
    /// A text; bytes, because a log need not be UTF-8.
    Text(Cow<'a, [u8]>),
    /// An array or object, as valid JSON.
    Json(Cow<'a, str>),
}

/// What a stream's records have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Name of the source.
    pub source: String,
    /// Name of the `LogShipping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Base name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Namespace of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Name of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl Labels {
    /// The labels that are set, by name, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self {
            source,
            resource,
            file,
            namespace,
            pod,
            container,
            node,
        } = self;
        [
            ("source", Some(source)),
            ("resource", resource.as_ref()),
            ("file", file.as_ref()),
            ("namespace", namespace.as_ref()),
            ("pod", pod.as_ref()),
            ("container", container.as_ref()),
            ("node", node.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.as_str())))
    }
}

impl<'a> Record<'a> {
    /// A record that was read at `observed` and about which nothing else is known.
    pub fn new(observed: Nanos, body: &'a [u8]) -> Self {
        Self {
            time: observed,
            observed,
            stream: None,
            severity: None,
            body: Cow::Borrowed(body),
            original_bytes: None,
            parse_failed: false,
            fields: Fields::default(),
        }
    }
}

impl Stream {
    /// As Kubernetes writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl Severity {
    /// Its short name in OpenTelemetry's data model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// Its `SeverityNumber` in OpenTelemetry's data model: the first of the four of its name.
    pub fn number(self) -> u8 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
            Self::Fatal => 21,
        }
    }
}

impl<'a> Fields<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        let mut fields = self.0.iter();
        fields.find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Sets a field, in the place of one that has the name. Whether there was room: at most [`FIELDS_MAX`].
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) -> bool {
        let name = name.into();
        if let Some((_, old)) = self.0.iter_mut().find(|(found, _)| *found == name) {
            *old = value;
            return true;
        }
        let has_room = self.0.len() < FIELDS_MAX;
        if has_room {
            self.0.push((name, value));
        }
        has_room
    }

    /// Adds a field of a name that is not there: [`set`](Self::set) without its search. Whether there was room.
    #[inline]
    pub fn append(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) -> bool {
        let name = name.into();
        debug_assert!(self.get(&name).is_none(), "{name} is there already");
        let has_room = self.0.len() < FIELDS_MAX;
        if has_room {
            self.0.push((name, value));
        }
        has_room
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(index).1)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// All of them in order, with values that can be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Value<'a>)> {
        self.0.iter_mut().map(|(name, value)| (&**name, value))
    }

    /// The same with copies of what it borrows.
    pub fn into_owned(self) -> Fields<'static> {
        let fields = self.0.into_iter();
        Fields(
            fields
                .map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned()))
                .collect(),
        )
    }

    /// Empties it and gives out its memory for the fields of the next record, which borrow from elsewhere.
    pub fn recycle<'b>(mut self) -> Fields<'b> {
        self.0.clear();
        // Nothing is converted; collecting in place keeps the allocation.
        let converted = self.0.into_iter().map(|_| (Cow::Borrowed(""), Value::Null));
        Fields(converted.collect())
    }
}

impl<'a> Value<'a> {
    /// A text that borrows.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text.as_bytes()))
    }

    /// The same with a copy of what it borrows.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Uint(value) => Value::Uint(value),
            Self::Float(value) => Value::Float(value),
            Self::Number(value) => Value::Number(Cow::Owned(value.into_owned())),
            Self::Text(value) => Value::Text(Cow::Owned(value.into_owned())),
            Self::Json(value) => Value::Json(Cow::Owned(value.into_owned())),
        }
    }
}

impl<'a> IntoIterator for Fields<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_unique_and_bounded() {
        let mut fields = Fields::default();
        for number in 0..FIELDS_MAX {
            assert!(fields.set(number.to_string(), Value::Null));
        }
        assert!(!fields.set("one more", Value::Null));
        assert!(fields.set("7", Value::Bool(true)));
        assert_eq!(fields.get("7"), Some(&Value::Bool(true)));
        assert_eq!(fields.remove("7"), Some(Value::Bool(true)));
        assert_eq!(fields.len(), FIELDS_MAX - 1);
    }

    #[test]
    fn recycled_fields_keep_their_memory() {
        let mut fields = Fields(Vec::with_capacity(100));
        fields.set("a", Value::Int(1));
        let recycled = fields.recycle();
        assert!(recycled.is_empty());
        assert_eq!(recycled.0.capacity(), 100);
    }
}
