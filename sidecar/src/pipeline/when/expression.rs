//! The tree of a compiled expression: only what can be evaluated without a copy and in bounded time.

use crate::record::Labels;
use memchr::memmem::Finder;
use regex::bytes::Regex;

/// One node.
#[derive(Debug)]
pub(super) enum Node {
    Constant(Constant),
    Variable(Variable),
    /// Whether a field or label is there.
    Has(Variable),
    Not(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    /// Condition, then, else.
    Conditional(Box<[Node; 3]>),
    Compare(Comparison, Box<[Node; 2]>),
    In(Box<Node>, Box<[Constant]>),
    Arithmetic(Operation, Box<[Node; 2]>),
    Negate(Box<Node>),
    /// Characters of a text.
    Size(Box<Node>),
    /// To an integer.
    Int(Box<Node>),
    /// To a number with a fraction.
    Double(Box<Node>),
    Text(Box<Node>, Search),
}

/// What is looked for in a text.
#[derive(Debug)]
pub(super) enum Search {
    Contains(Box<Finder<'static>>),
    StartsWith(Box<[u8]>),
    EndsWith(Box<[u8]>),
    Matches(Regex),
}

/// A value that stands in the text of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<[u8]>),
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    Body,
    Severity,
    SeverityNumber,
    Stream,
    ParseFailed,
    Truncated,
    Label(Label),
    Field(Box<str>),
}

/// A member of [`Labels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Source,
    Resource,
    File,
    Namespace,
    Pod,
    Container,
    Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// What is known of a node's value before there is a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Number,
    Text,
    Null,
    Unknown,
}

/// Every label by its name.
const LABELS: [(&str, Label); 7] = [
    ("source", Label::Source),
    ("resource", Label::Resource),
    ("file", Label::File),
    ("namespace", Label::Namespace),
    ("pod", Label::Pod),
    ("container", Label::Container),
    ("node", Label::Node),
];

impl Variable {
    /// What a bare name stands for; a dot in it is part of a field's name.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "body" => Self::Body,
            "severity" => Self::Severity,
            "severity_number" => Self::SeverityNumber,
            "stream" => Self::Stream,
            "source" => Self::Label(Label::Source),
            "parse_failed" => Self::ParseFailed,
            "truncated" => Self::Truncated,
            _ => Self::Field(name.into()),
        }
    }
}

impl Label {
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut labels = LABELS.iter();
        labels.find(|(found, _)| *found == name).map(|(_, label)| *label)
    }

    /// The names of all.
    pub(super) fn names() -> String {
        LABELS.map(|(name, _)| name).join(", ")
    }

    pub(super) fn value(self, labels: &Labels) -> Option<&str> {
        match self {
            Self::Source => Some(&labels.source),
            Self::Resource => labels.resource.as_deref(),
            Self::File => labels.file.as_deref(),
            Self::Namespace => labels.namespace.as_deref(),
            Self::Pod => labels.pod.as_deref(),
            Self::Container => labels.container.as_deref(),
            Self::Node => labels.node.as_deref(),
        }
    }
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Constant(constant) => constant.kind(),
            Self::Variable(variable) => variable.kind(),
            Self::Has(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::In(..)
            | Self::Text(..) => Kind::Bool,
            Self::Conditional(branches) => {
                let [_, then, otherwise] = branches.as_ref();
                let kind = then.kind();
                if kind == otherwise.kind() {
                    kind
                } else {
                    Kind::Unknown
                }
            }
            Self::Arithmetic(..) | Self::Negate(_) | Self::Size(_) | Self::Int(_) | Self::Double(_) => {
                Kind::Number
            }
        }
    }
}

impl Constant {
    fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => Kind::Number,
            Self::Text(_) => Kind::Text,
        }
    }
}

impl Variable {
    fn kind(&self) -> Kind {
        match self {
            Self::Body | Self::Severity | Self::Stream | Self::Label(_) => Kind::Text,
            Self::SeverityNumber => Kind::Number,
            Self::ParseFailed | Self::Truncated => Kind::Bool,
            Self::Field(_) => Kind::Unknown,
        }
    }
}
