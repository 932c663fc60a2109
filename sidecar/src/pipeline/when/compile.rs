//! From the text of an expression to its tree. What cannot be evaluated in bounded time is refused here, with its place.

use super::expression::{Comparison, Constant, Kind, Label, Node, Operation, Search, Variable};
use super::position::{Names, Position};
use super::{DEPTH_MAX, Error, TEXT_BYTES_MAX};
use crate::pipeline::pattern;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, operators};
use cel::parser::PrattParser;
use memchr::memmem::Finder;

/// What there is, for who asked for something else.
const FUNCTIONS: &str = "has, size, int, double, contains, startsWith, endsWith and matches";
/// Macros that loop, by the name that stands in the text.
const LOOPS: [&str; 6] = ["all", "exists", "exists_one", "existsOne", "map", "filter"];
/// Levels of brackets that the parser goes into; its own limit is above ours.
const PARSER_DEPTH: u16 = 96;

/// A tree that is true or false, as far as that can be known.
pub(super) fn condition(text: &str) -> Result<Node, Error> {
    let (node, mut compiler) = compile(text)?;
    compiler.require(&node, Kind::Bool)?;
    Ok(node)
}

/// A tree of any value.
pub(super) fn value(text: &str) -> Result<Node, Error> {
    compile(text).map(|(node, _)| node)
}

fn compile(text: &str) -> Result<(Node, Compiler<'_>), Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::Long);
    }
    let parser = PrattParser::new().max_recursion_depth(PARSER_DEPTH);
    let parsed = parser.parse(text).map_err(|errors| syntax(&errors))?;
    let mut compiler = Compiler {
        names: Names::new(text),
        depth: 0,
    };
    let node = compiler.node(&parsed)?;
    Ok((node, compiler))
}

/// The first error that has a place; the parser sorts them by it.
fn syntax(errors: &cel::ParseErrors) -> Error {
    let first = errors.errors.iter().find(|error| error.pos.0 > 0);
    let Some(error) = first else {
        // Only its limits have no place.
        return Error::Deep;
    };
    let number = |value: isize| usize::try_from(value).unwrap_or(1).max(1);
    let problem = error.msg.trim_start_matches("Syntax error: ").to_owned();
    Error::Syntax {
        problem,
        at: Position {
            line: number(error.pos.0),
            column: number(error.pos.1),
        },
    }
}

struct Compiler<'t> {
    names: Names<'t>,
    depth: usize,
}

impl Compiler<'_> {
    fn node(&mut self, expression: &IdedExpr) -> Result<Node, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(Error::Deep);
        }
        self.depth += 1;
        let node = self.shallow(expression)?;
        self.depth -= 1;
        Ok(node)
    }

    fn shallow(&mut self, expression: &IdedExpr) -> Result<Node, Error> {
        match &expression.expr {
            Expr::Literal(literal) => self.constant(literal).map(Node::Constant),
            Expr::Select(select) if select.test => self.has(select),
            Expr::Ident(_) | Expr::Select(_) => self.variable(expression).map(Node::Variable),
            Expr::Call(call) => self.call(call),
            Expr::List(_) => Err(self.refuse("a list stands only to the right of 'in'")),
            Expr::Comprehension(_) => {
                let at = self.names.find(&LOOPS);
                let problem = format!("loops are not possible here; there are {FUNCTIONS}");
                Err(Error::Refused { problem, at })
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.refuse("objects are not possible here"))
            }
        }
    }

    fn constant(&mut self, literal: &LiteralValue) -> Result<Constant, Error> {
        Ok(match literal {
            LiteralValue::Null => Constant::Null,
            LiteralValue::Boolean(value) => Constant::Bool(*value.inner()),
            LiteralValue::Int(value) => Constant::Int(*value.inner()),
            LiteralValue::UInt(value) => Constant::Uint(*value.inner()),
            LiteralValue::Double(value) => Constant::Double(*value.inner()),
            LiteralValue::String(value) => Constant::Text(value.inner().as_bytes().into()),
            LiteralValue::Bytes(_) => return Err(self.refuse("bytes are not possible here, write a text")),
        })
    }

    fn variable(&mut self, expression: &IdedExpr) -> Result<Variable, Error> {
        self.path(expression, Vec::new())
    }

    fn has(&mut self, select: &SelectExpr) -> Result<Node, Error> {
        self.names.find(&[operators::HAS]);
        self.path(&select.operand, vec![&select.field]).map(Node::Has)
    }

    /// A name with dots in it, of which the first part may be `fields` or `labels`; `parts` follow after it.
    fn path<'e>(&mut self, expression: &'e IdedExpr, mut parts: Vec<&'e str>) -> Result<Variable, Error> {
        let mut inner = expression;
        while let Expr::Select(SelectExpr {
            operand,
            field,
            test: false,
        }) = &inner.expr
        {
            parts.insert(0, field);
            inner = operand;
        }
        let Expr::Ident(root) = &inner.expr else {
            // What is wrong in there is said first.
            self.node(inner)?;
            return Err(self.refuse("only a name has parts; nothing looks inside a value"));
        };
        let at = self.names.find(&[root]);
        for part in &parts {
            self.names.find(&[part]);
        }
        let name = parts.join(".");
        match root.as_str() {
            "fields" | "labels" if parts.is_empty() => Err(Error::Refused {
                problem: format!("'{root}' alone is no value; write {root}.name or {root}[\"name\"]"),
                at,
            }),
            "fields" => Ok(Variable::Field(name.into())),
            "labels" => label(&name, at),
            _ if parts.is_empty() => Ok(Variable::named(root)),
            _ => Ok(Variable::Field(format!("{root}.{name}").into())),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Node, Error> {
        let CallExpr {
            func_name,
            target,
            args,
        } = call;
        if let Some(comparison) = comparison(func_name) {
            return Ok(Node::Compare(comparison, Box::new(self.pair(args)?)));
        }
        if let Some(operation) = operation(func_name) {
            let operands = self.pair(args)?;
            for operand in &operands {
                self.require(operand, Kind::Number)?;
            }
            return Ok(Node::Arithmetic(operation, Box::new(operands)));
        }
        match (func_name.as_str(), target.as_deref(), args.as_slice()) {
            (operators::LOGICAL_AND, None, _) => self.all(call).map(Node::And),
            (operators::LOGICAL_OR, None, _) => self.all(call).map(Node::Or),
            (operators::LOGICAL_NOT, None, [operand]) => self.one(operand, Kind::Bool).map(Node::Not),
            (operators::NEGATE, None, [operand]) => self.one(operand, Kind::Number).map(Node::Negate),
            (operators::CONDITIONAL, None, [condition, then, otherwise]) => {
                let condition = *self.one(condition, Kind::Bool)?;
                let branches = [condition, self.node(then)?, self.node(otherwise)?];
                Ok(Node::Conditional(Box::new(branches)))
            }
            (operators::IN, None, [needle, haystack]) => self.within(needle, haystack),
            (operators::INDEX, None, [container, index]) => self.index(container, index).map(Node::Variable),
            ("int", None, [operand]) => {
                self.names.find(&["int"]);
                self.any(operand).map(Node::Int)
            }
            ("double", None, [operand]) => {
                self.names.find(&["double"]);
                self.any(operand).map(Node::Double)
            }
            ("size", None, [operand]) => {
                self.names.find(&["size"]);
                self.one(operand, Kind::Text).map(Node::Size)
            }
            ("size", Some(operand), []) => {
                let operand = self.one(operand, Kind::Text)?;
                self.names.find(&["size"]);
                Ok(Node::Size(operand))
            }
            ("matches", None, [operand, searched]) => {
                self.names.find(&["matches"]);
                let operand = self.one(operand, Kind::Text)?;
                Ok(Node::Text(operand, self.search(func_name, searched)?))
            }
            ("contains" | "startsWith" | "endsWith" | "matches", Some(operand), [searched]) => {
                let operand = self.one(operand, Kind::Text)?;
                self.names.find(&[func_name]);
                Ok(Node::Text(operand, self.search(func_name, searched)?))
            }
            (name, target, args) => Err(self.unknown(name, target, args.len())),
        }
    }

    /// The operands of a chain of one logical operator, which may be long without being deep.
    fn all(&mut self, call: &CallExpr) -> Result<Box<[Node]>, Error> {
        let mut pending: Vec<&IdedExpr> = call.args.iter().rev().collect();
        let mut operands = Vec::new();
        while let Some(expression) = pending.pop() {
            match &expression.expr {
                Expr::Call(inner) if inner.func_name == call.func_name => {
                    pending.extend(inner.args.iter().rev());
                }
                _ => operands.push(*self.one(expression, Kind::Bool)?),
            }
        }
        Ok(operands.into())
    }

    fn pair(&mut self, args: &[IdedExpr]) -> Result<[Node; 2], Error> {
        match args {
            [one, two] => Ok([self.node(one)?, self.node(two)?]),
            _ => Err(self.refuse("an operator needs two operands")),
        }
    }

    fn any(&mut self, expression: &IdedExpr) -> Result<Box<Node>, Error> {
        self.node(expression).map(Box::new)
    }

    fn one(&mut self, expression: &IdedExpr, kind: Kind) -> Result<Box<Node>, Error> {
        let node = self.node(expression)?;
        self.require(&node, kind)?;
        Ok(Box::new(node))
    }

    /// `x in [1, 2]`, `"name" in fields`.
    fn within(&mut self, needle: &IdedExpr, haystack: &IdedExpr) -> Result<Node, Error> {
        if let Expr::List(list) = &haystack.expr {
            let needle = self.any(needle)?;
            let constants = list.elements.iter().map(|element| match &element.expr {
                Expr::Literal(literal) => self.constant(literal),
                _ => Err(self.refuse("a list has only texts, numbers and truth values that stand there")),
            });
            let constants: Result<_, _> = constants.collect();
            return Ok(Node::In(needle, constants?));
        }
        if let (Expr::Literal(LiteralValue::String(_)), Expr::Ident(_)) = (&needle.expr, &haystack.expr) {
            return self.index(haystack, needle).map(Node::Has);
        }
        self.node(needle)?;
        Err(self.refuse("to the right of 'in' stands a list, or 'fields' or 'labels' after a text"))
    }

    /// `fields["odd-name"]`, `labels["pod"]`.
    fn index(&mut self, container: &IdedExpr, index: &IdedExpr) -> Result<Variable, Error> {
        match (&container.expr, &index.expr) {
            (Expr::Ident(root), Expr::Literal(LiteralValue::String(name))) if root == "fields" => {
                self.names.find(&[root]);
                Ok(Variable::Field(name.inner().into()))
            }
            (Expr::Ident(root), Expr::Literal(LiteralValue::String(name))) if root == "labels" => {
                let at = self.names.find(&[root]);
                label(name.inner(), at)
            }
            (Expr::Ident(root), _) => {
                self.names.find(&[root]);
                Err(self.refuse("only fields[\"name\"] and labels[\"name\"] are possible with brackets"))
            }
            _ => Err(self.refuse("only fields[\"name\"] and labels[\"name\"] are possible with brackets")),
        }
    }

    fn search(&mut self, function: &str, searched: &IdedExpr) -> Result<Search, Error> {
        let Expr::Literal(LiteralValue::String(text)) = &searched.expr else {
            return Err(self.refuse(&format!("{function} needs a text that stands there")));
        };
        let text = text.inner();
        Ok(match function {
            "contains" => Search::Contains(Box::new(Finder::new(text).into_owned())),
            "startsWith" => Search::StartsWith(text.as_bytes().into()),
            "endsWith" => Search::EndsWith(text.as_bytes().into()),
            _ => {
                let compiled = pattern::compile(text);
                Search::Matches(compiled.map_err(|error| self.refuse(&error.to_string()))?)
            }
        })
    }

    fn unknown(&mut self, name: &str, target: Option<&IdedExpr>, args: usize) -> Error {
        if let Some(Err(error)) = target.map(|target| self.node(target)) {
            return error;
        }
        let at = self.names.find(&[name]);
        let problem = format!("there is no function {name} of {args} arguments here; there are {FUNCTIONS}");
        Error::Refused { problem, at }
    }

    /// Refuses what can never have a value of this kind.
    fn require(&mut self, node: &Node, wanted: Kind) -> Result<(), Error> {
        let found = node.kind();
        if found == wanted || found == Kind::Unknown {
            return Ok(());
        }
        Err(self.refuse(&format!(
            "{} stands where {} is needed",
            found.noun(),
            wanted.noun()
        )))
    }

    fn refuse(&self, problem: &str) -> Error {
        Error::Refused {
            problem: problem.to_owned(),
            at: self.names.here(),
        }
    }
}

fn label(name: &str, at: Position) -> Result<Variable, Error> {
    let label = Label::named(name).map(Variable::Label);
    label.ok_or_else(|| Error::Refused {
        problem: format!("there is no label {name}; there are {}", Label::names()),
        at,
    })
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn operation(operator: &str) -> Option<Operation> {
    Some(match operator {
        operators::ADD => Operation::Add,
        operators::SUBSTRACT => Operation::Subtract,
        operators::MULTIPLY => Operation::Multiply,
        operators::DIVIDE => Operation::Divide,
        operators::MODULO => Operation::Remainder,
        _ => return None,
    })
}

impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Bool => "a truth value",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Null => "null",
            Self::Unknown => "a field",
        }
    }
}
