//! Fields by a regular expression: its named groups. The crate's matcher takes time linear in the body whatever the expression;
//! the memory of expressions is bounded here.

use super::Error;
use super::found::Found;
use crate::pipeline::pattern;
use crate::record::Value;
use regex::bytes::Regex;
use std::borrow::Cow;

/// Bytes of a compiled program; the largest of the usual collections of patterns need a few hundred thousand.
const BYTES_MAX: usize = 2 << 20;

/// An expression with named groups.
#[derive(Debug, Clone)]
pub struct Groups {
    expression: Regex,
    named: Vec<(usize, String)>,
}

impl Groups {
    /// Compiles a pattern.
    pub fn compile(pattern: &str) -> Result<Self, Error> {
        let expression = pattern::compile_within(pattern, BYTES_MAX).map_err(Error::Expression)?;
        let groups = expression.capture_names().enumerate();
        let named: Vec<_> = groups
            .filter_map(|(index, name)| Some((index, name?.to_owned())))
            .collect();
        if named.is_empty() {
            return Err(Error::NoGroup);
        }
        Ok(Self { expression, named })
    }

    /// Finds the first match. A group that had no part in it is no field.
    pub fn parse<'a>(&self, body: &'a [u8], found: &mut Found<'a>) -> Option<()> {
        let captures = self.expression.captures(body)?;
        for (index, name) in &self.named {
            if let Some(group) = captures.get(*index) {
                // A copy: the record may live longer than the step.
                found.set(
                    Cow::Owned(name.clone()),
                    Value::Text(Cow::Borrowed(group.as_bytes())),
                );
            }
        }
        Some(())
    }
}
