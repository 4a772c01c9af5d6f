//! Reads the text form of a graph; `docs/ir.md` has the grammar, [`super::print`] writes it.
//!
//! Operands stand before their users, so a parsed graph has no cycle. Every node is type-checked
//! and its written type must be the inferred one. Nodes are numbered in the order of the text,
//! whatever their ids there: `parse(print(g)) == g` for a compacted graph.

use super::builder::MAX_SIZE;
use super::graph::{Graph, Mode, Node};
use super::node_id::NodeId;
use super::origin::{Origin, Role};
use super::roots::Update;
use crate::attrs::{AttrError, AttrField, AttrValue, Attrs, read_field, refuse_unknown};
use crate::ops::Op;
use crate::optimizers::{Accumulation, Averaging, Clipping, Optimizer, ParameterSettings};
pub use crate::text::ParseError;
use crate::text::{Cursor, MAX_RANK, Position, Token, shown, utf8};
use crate::types::{DType, Dim, Shape, TensorType};
use std::collections::BTreeMap;

/// Most elements of one tensor; keeps every product of sizes far from overflow.
pub const MAX_ELEMENTS: u64 = 1 << 40;

/// Most attributes of one operation.
pub const MAX_ATTRS: usize = 32;

impl std::str::FromStr for Graph {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Graph, ParseError> {
        parse(text)
    }
}

/// Reads one graph.
///
/// # Errors
/// Where the text stops being one, with what was expected there.
pub fn parse(text: &str) -> Result<Graph, ParseError> {
    let mut cursor = Cursor::new(text)?;
    let graph = parse_graph(&mut cursor)?;
    match cursor.peek() {
        Token::End => Ok(graph),
        _ => Err(cursor.expected("the end of the text")),
    }
}

/// Reads the bytes of a file with one graph.
///
/// # Errors
/// See [`parse`] and [`utf8`].
pub fn parse_bytes(bytes: &[u8]) -> Result<Graph, ParseError> {
    parse(utf8(bytes)?)
}

/// Reads one graph and leaves the cursor after its closing brace.
///
/// # Errors
/// See [`parse`].
pub fn parse_graph(cursor: &mut Cursor) -> Result<Graph, ParseError> {
    cursor.expect_word("graph")?;
    let mut parser = Parser { graph: Graph::new(&cursor.name("the name of the graph")?), ids: BTreeMap::new(), cursor };
    parser.specialisation()?;
    parser.cursor.expect('{')?;
    while !parser.cursor.accept('}') {
        parser.statement()?;
    }
    Ok(parser.graph)
}

struct Parser<'a> {
    cursor: &'a mut Cursor,
    graph: Graph,
    /// The node of each id in the text.
    ids: BTreeMap<u32, NodeId>,
}

impl Parser<'_> {
    /// `(batch=64, mode=train)`, both optional.
    fn specialisation(&mut self) -> Result<(), ParseError> {
        if !self.cursor.accept('(') {
            return Ok(());
        }
        let graph = &mut self.graph;
        self.cursor.list(')', |cursor| {
            if cursor.accept_word("batch") {
                cursor.expect('=')?;
                let position = cursor.position();
                let batch: usize = cursor.integer("a batch size")?;
                if batch == 0 {
                    return Err(position.error("expected a batch size of at least 1, found `0`"));
                }
                if batch > MAX_SIZE {
                    return Err(position.error(format!("expected a batch size of at most {MAX_SIZE}, found `{batch}`")));
                }
                graph.batch = Some(batch);
                return Ok(());
            }
            if !cursor.accept_word("mode") {
                return Err(cursor.expected("`batch` or `mode`"));
            }
            cursor.expect('=')?;
            graph.mode = [Mode::Train, Mode::Infer].into_iter().find(|mode| cursor.accept_word(mode.name()));
            graph.mode.map(|_| ()).ok_or_else(|| cursor.expected("`train` or `infer`"))
        })?;
        Ok(())
    }

    fn statement(&mut self) -> Result<(), ParseError> {
        if let Token::Node(_) = self.cursor.peek() {
            return self.node();
        }
        let position = self.cursor.position();
        if self.cursor.accept_word("optimizer") {
            let name = self.cursor.word(&text_names())?;
            let attrs = self.attrs()?;
            self.graph.optimizer = Some(optimizer(&name, &attrs).map_err(|message| position.error(message))?);
        } else if self.cursor.accept_word("settings") {
            let parameter = self.cursor.name("the name of a parameter")?;
            let attrs = self.attrs()?;
            let settings = ParameterSettings::of(&attrs).map_err(|error| position.error(error.to_string()))?;
            self.graph.parameter_settings.insert(parameter, settings);
        } else if self.cursor.accept_word("clipping") {
            let attrs = self.attrs()?;
            self.graph.clipping = Some(clipping(&attrs).map_err(|error| position.error(error.to_string()))?);
        } else if self.cursor.accept_word("accumulation") {
            let attrs = self.attrs()?;
            self.graph.accumulation = Some(accumulation(&attrs).map_err(|error| position.error(error.to_string()))?);
        } else if self.cursor.accept_word("averaging") {
            let attrs = self.attrs()?;
            self.graph.averaging = Some(averaging(&attrs).map_err(|error| position.error(error.to_string()))?);
        } else if self.cursor.accept_word("loss") {
            self.graph.loss = Some(self.operand()?);
        } else if self.cursor.accept_word("output") {
            let name = self.cursor.name("the name of an output")?;
            self.cursor.expect('=')?;
            let node = self.operand()?;
            self.graph.add_output(&name, node);
        } else if self.cursor.accept_word("update") {
            let parameter = self.operand()?;
            self.cursor.expect('=')?;
            let value = self.operand()?;
            self.graph.updates.push(Update { parameter, value });
        } else {
            return Err(self.cursor.expected(
                "a node, `optimizer`, `settings`, `clipping`, `accumulation`, `averaging`, `loss`, `output`, `update` or `}`",
            ));
        }
        Ok(())
    }

    /// `%2: f32[N,8] = relu(%1) {...} "name" @ gradient of layer, line 7`.
    fn node(&mut self) -> Result<(), ParseError> {
        let position = self.cursor.position();
        let Token::Node(id) = self.cursor.take() else { unreachable!("the caller has seen a node") };
        if self.ids.contains_key(&id) {
            return Err(position.error(format!("%{id} is defined twice")));
        }
        self.cursor.expect(':')?;
        let type_position = self.cursor.position();
        let written = self.tensor_type()?;
        self.cursor.expect('=')?;
        let op_position = self.cursor.position();
        let mnemonic = self.cursor.word("an operation")?;
        self.cursor.expect('(')?;
        let operands = self.operands()?;
        let attrs = self.attrs()?;
        let op = match Op::from_attrs(&mnemonic, &attrs) {
            Some(op) => op.map_err(|error| op_position.error(format!("{mnemonic}: {error}")))?,
            None => return Err(op_position.error(format!("expected an operation, found `{}`", shown(&mnemonic)))),
        };
        let types: Vec<&TensorType> = operands.iter().map(|&operand| self.graph.ty(operand)).collect();
        let ty = op.infer(&types).map_err(|error| op_position.error(format!("{mnemonic}: {error}")))?;
        if ty != written {
            return Err(type_position.error(format!("expected the type {ty} that {mnemonic} gives, found {written}")));
        }
        let name = self.node_name()?;
        let origin = self.origin()?;
        let node = self.graph.add_node(Node { op, ty, name, origin }, &operands);
        self.ids.insert(id, node);
        Ok(())
    }

    fn operands(&mut self) -> Result<Vec<NodeId>, ParseError> {
        let ids = &self.ids;
        self.cursor.list(')', |cursor| operand(cursor, ids))
    }

    fn operand(&mut self) -> Result<NodeId, ParseError> {
        operand(self.cursor, &self.ids)
    }

    fn node_name(&mut self) -> Result<String, ParseError> {
        match self.cursor.peek() {
            Token::Str(_) => self.cursor.name("the name of a node"),
            _ => Ok(String::new()),
        }
    }

    /// `@ [role of] layer [, line 7]`, optional.
    fn origin(&mut self) -> Result<Origin, ParseError> {
        if !self.cursor.accept('@') {
            return Ok(Origin::layer("", 0));
        }
        let mut role = Role::Forward;
        if matches!(self.cursor.peek_second(), Token::Word(word) if word == "of") {
            let found = Role::ALL.into_iter().find(|role| self.cursor.accept_word(role.name()));
            role = found.ok_or_else(|| self.cursor.expected("a role such as `gradient`"))?;
            self.cursor.expect_word("of")?;
        }
        let layer = self.cursor.name("the name of a layer")?;
        let mut line = 0;
        if self.cursor.accept(',') {
            self.cursor.expect_word("line")?;
            line = self.cursor.integer("a line number")?;
        }
        Ok(Origin { layer: layer.as_str().into(), line, role })
    }

    fn tensor_type(&mut self) -> Result<TensorType, ParseError> {
        let dtype = DType::ALL.into_iter().find(|dtype| self.cursor.accept_word(dtype.name()));
        let dtype = dtype.ok_or_else(|| match foreign_dtype(self.cursor) {
            Some(refused) => refused,
            None => self.cursor.expected("a type such as `f32[N,10]`"),
        })?;
        let position = self.cursor.position();
        self.cursor.expect('[')?;
        let shape = match list(self.cursor, position)? {
            AttrValue::Shape(shape) => shape,
            AttrValue::Ints(sizes) => Shape(sizes.iter().map(|&size| Dim::Fixed(size.max(0) as usize)).collect()),
            value => return Err(position.error(format!("expected sizes, found {value}"))),
        };
        if shape.rank() > MAX_RANK {
            let found = shape.rank();
            return Err(position.error(format!("expected a shape of at most {MAX_RANK} dimensions, found {found}")));
        }
        if shape.0.contains(&Dim::Fixed(0)) {
            return Err(position.error(format!("expected sizes of at least 1, found {shape}")));
        }
        let batch = self.graph.batch.filter(|_| shape.batch_axis().is_some()).unwrap_or(1);
        if shape.fixed_len() as u64 > MAX_ELEMENTS / batch as u64 {
            let message = format!("{shape} has more than {MAX_ELEMENTS} elements at batch size {batch}");
            return Err(position.error(message));
        }
        Ok(TensorType { dtype, shape })
    }

    /// `{name=value, ...}`, optional.
    fn attrs(&mut self) -> Result<Attrs, ParseError> {
        if !self.cursor.accept('{') {
            return Ok(Attrs::default());
        }
        let mut attrs: Vec<(String, AttrValue)> = Vec::new();
        self.cursor.list('}', |cursor| {
            let position = cursor.position();
            if attrs.len() == MAX_ATTRS {
                return Err(position.error(format!("more than {MAX_ATTRS} attributes")));
            }
            let name = cursor.word("the name of an attribute")?;
            if attrs.iter().any(|(other, _)| *other == name) {
                return Err(position.error(format!("attribute `{}` is given twice", shown(&name))));
            }
            cursor.expect('=')?;
            attrs.push((name, attr_value(cursor)?));
            Ok(())
        })?;
        Ok(Attrs(attrs))
    }
}

/// That the word is the name of an element type that there is not here, if it is.
fn foreign_dtype(cursor: &Cursor) -> Option<ParseError> {
    let Token::Word(word) = cursor.peek() else { return None };
    DType::refusal(word).map(|message| cursor.position().error(message))
}

/// A node that is already defined.
fn operand(cursor: &mut Cursor, ids: &BTreeMap<u32, NodeId>) -> Result<NodeId, ParseError> {
    let Token::Node(id) = *cursor.peek() else { return Err(cursor.expected("a node such as `%3`")) };
    let node = *ids.get(&id).ok_or_else(|| cursor.expected("a node defined above"))?;
    cursor.take();
    Ok(node)
}

fn attr_value(cursor: &mut Cursor) -> Result<AttrValue, ParseError> {
    let position = cursor.position();
    if cursor.accept('[') {
        return list(cursor, position);
    }
    let value = match cursor.peek() {
        Token::Str(text) => Some(AttrValue::Str(text.clone())),
        Token::Number(_) => real(cursor),
        Token::Word(word) => match word.as_str() {
            "true" => Some(AttrValue::Bool(true)),
            "false" => Some(AttrValue::Bool(false)),
            word => real(cursor).or_else(|| DType::from_name(word).map(AttrValue::DType)),
        },
        _ => None,
    };
    let value = value.ok_or_else(|| {
        foreign_dtype(cursor)
            .unwrap_or_else(|| cursor.expected("a value: a number, true, false, f32, i32, a string or a list"))
    })?;
    cursor.take();
    Ok(value)
}

fn number(text: &str) -> Option<AttrValue> {
    let is_float = text.contains(['.', 'e', 'E']);
    let float = || text.parse().ok().filter(|value: &f64| value.is_finite());
    if is_float { float().map(AttrValue::Float) } else { text.parse().ok().map(AttrValue::Int) }
}

/// The rest of a list of real numbers, if its first item is one.
fn numbers(cursor: &mut Cursor) -> Result<Option<AttrValue>, ParseError> {
    if !matches!(real(cursor), Some(AttrValue::Float(_))) {
        return Ok(None);
    }
    let values: Vec<f64> = cursor.list(']', |cursor| {
        let value = real(cursor).and_then(|value| f64::from_attr(&value));
        let value = value.ok_or_else(|| cursor.expected("a number"))?;
        cursor.take();
        Ok(value)
    })?;
    Ok(Some(AttrValue::Floats(values.into())))
}

/// The number that comes next.
fn real(cursor: &Cursor) -> Option<AttrValue> {
    match cursor.peek() {
        Token::Number(text) => number(text),
        Token::Word(word) => match word.as_str() {
            "inf" => Some(AttrValue::Float(f64::INFINITY)),
            "-inf" => Some(AttrValue::Float(f64::NEG_INFINITY)),
            "NaN" => Some(AttrValue::Float(f64::NAN)),
            _ => None,
        },
        _ => None,
    }
}

/// The rest of a list after its opening bracket: a shape if `N` stands in it.
fn list(cursor: &mut Cursor, position: Position) -> Result<AttrValue, ParseError> {
    if let Some(numbers) = numbers(cursor)? {
        return Ok(numbers);
    }
    let items: Vec<Option<i64>> = cursor.list(']', |cursor| match cursor.accept_word("N") {
        true => Ok(None),
        false => cursor.integer("an integer or `N`").map(Some),
    })?;
    let mut sizes = items.iter().flatten().map(|size| size.unsigned_abs().max(1));
    let product = sizes.try_fold(1u64, |product, size| product.checked_mul(size).filter(|&p| p <= MAX_ELEMENTS));
    if product.is_none() {
        return Err(position.error(format!("the sizes of this list multiply to more than {MAX_ELEMENTS}")));
    }
    if !items.contains(&None) {
        return Ok(AttrValue::Ints(items.into_iter().flatten().collect()));
    }
    let dim = |item: &Option<i64>| match item {
        None => Some(Dim::Batch),
        Some(size) => usize::try_from(*size).ok().map(Dim::Fixed),
    };
    let dims: Option<Vec<Dim>> = items.iter().map(dim).collect();
    let dims = dims.ok_or_else(|| position.error("expected sizes of at least 0 in a shape"))?;
    let shape = Shape(dims).check_one_batch().map_err(|error| position.error(error.message))?;
    Ok(AttrValue::Shape(shape))
}

fn averaging(attrs: &Attrs) -> Result<Averaging, AttrError> {
    refuse_unknown(attrs, &["decay"])?;
    Ok(Averaging { decay: read_field(attrs, "decay")? })
}

/// One bound of the three, under its name.
fn clipping(attrs: &Attrs) -> Result<Clipping, AttrError> {
    refuse_unknown(attrs, &Clipping::NAMES)?;
    let [first, ..] = Clipping::NAMES;
    let name = attrs.0.first().and_then(|(name, _)| Clipping::NAMES.into_iter().find(|known| known == name));
    let name = name.ok_or(AttrError::Missing(first))?;
    Ok(Clipping::of_name(name, read_field(attrs, name)?).expect("it is one of the names"))
}

fn accumulation(attrs: &Attrs) -> Result<Accumulation, AttrError> {
    refuse_unknown(attrs, &["steps"])?;
    Ok(Accumulation { steps: read_field(attrs, "steps")? })
}

/// The optimizer called `name` with these settings.
fn optimizer(name: &str, attrs: &Attrs) -> Result<Optimizer, String> {
    match Optimizer::from_attrs(name, attrs) {
        Some(optimizer) => optimizer.map_err(|error| format!("optimizer {name}: {error}")),
        None => Err(format!("expected the optimizer {}, found `{}`", text_names(), shown(name))),
    }
}

/// What optimizers are called in text: `a`, `b` or `c`.
fn text_names() -> String {
    let names: Vec<String> = Optimizer::PRESETS.iter().map(|(presets, _)| format!("`{}`", presets[0].name)).collect();
    let (last, others) = names.split_last().expect("there are optimizers");
    format!("{} or {last}", others.join(", "))
}

#[cfg(test)]
mod tests;
