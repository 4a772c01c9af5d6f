//! Reads the text form of programs that [`super::print`] writes; `docs/ir.md` has the grammar.
//!
//! Reading checks the form only: whether names are defined and types fit is the verifier's business.

use super::kernel::*;
use super::layout::Layout;
use super::lex::{Kind, Token, lex};
use crate::graph::NodeId;
use crate::index::Var;
use crate::scalar::{BinaryOp, CmpOp, UnaryOp};
use crate::text::{ParseError, utf8};
use crate::types::DType;
use std::str::FromStr;
use std::sync::Arc;

/// Reads a program.
///
/// # Errors
/// At the first place where the text is not a program.
pub fn parse(text: &str) -> Result<Program, ParseError> {
    let mut parser = Parser { tokens: lex(text)?, at: 0, depth: 0 };
    let program = parser.program()?;
    match parser.peek() {
        Kind::End => Ok(program),
        _ => parser.expected("the end of the text"),
    }
}

/// Reads the bytes of a file with one program.
///
/// # Errors
/// See [`parse`] and [`utf8`].
pub fn parse_bytes(bytes: &[u8]) -> Result<Program, ParseError> {
    parse(utf8(bytes)?)
}

impl FromStr for Program {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Program, ParseError> {
        parse(text)
    }
}

/// Blocks and divisions may stand this deep in each other; protects the stack of everything that
/// recurses over a program.
pub const MAX_DEPTH: usize = 100;

pub(super) struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    pub(super) at: usize,
    depth: usize,
}

pub(super) type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn program(&mut self) -> Parsed<Program> {
        self.word("program")?;
        let name = self.quoted()?;
        self.symbol("(")?;
        let batch = self.field("batch")?;
        self.symbol(",")?;
        let arena_words = self.field("arena")?;
        let member_words = match self.peek() {
            Kind::Symbol(",") => {
                self.symbol(",")?;
                self.field("member")?
            }
            _ => 0,
        };
        self.symbol(")")?;
        self.symbol("{")?;
        let (mut buffers, mut kernels) = (Vec::new(), Vec::new());
        loop {
            match self.peek() {
                Kind::Word("buffer") => {
                    let buffer = self.buffer(buffers.len())?;
                    buffers.push(buffer);
                }
                Kind::Word("kernel") => kernels.push(self.kernel()?),
                Kind::Symbol("}") => break,
                _ => return self.expected("`buffer`, `kernel` or `}`"),
            }
        }
        self.symbol("}")?;
        Ok(Program { name, batch, buffers, kernels, arena_words, member_words })
    }

    fn buffer(&mut self, number: usize) -> Parsed<Buffer> {
        self.word("buffer")?;
        let id = self.peek().clone();
        if self.id("b")? as usize != number {
            self.at -= 1;
            return self.error(format!("buffers are numbered in order: expected `b{number}`, found {}", id.describe()));
        }
        self.symbol(":")?;
        if let Kind::Word(word) = self.peek()
            && let Some(message) = DType::refusal(word)
        {
            return self.error(message);
        }
        let dtype = self.choice("an element type", &DType::ALL, DType::name)?;
        let kind = self.choice("a kind of buffer", &BufferKind::ALL, BufferKind::name)?;
        let name = self.quoted()?;
        let shape = self.sizes()?;
        let batch_axis = match self.peek() {
            Kind::Word("batch") => Some(self.field("batch")?),
            _ => None,
        };
        if batch_axis.is_some_and(|axis| axis >= shape.len()) {
            return self.error(format!("the batch dimension of a buffer of rank {}", shape.len()));
        }
        self.word("strides")?;
        self.symbol("=")?;
        let strides = self.sizes()?;
        if strides.len() != shape.len() {
            return self.error(format!("{} strides for rank {}", strides.len(), shape.len()));
        }
        let chunk_stride = self.field("chunk")?;
        let len = self.field("len")?;
        self.symbol("@")?;
        let offset = self.integer("an offset")?;
        let words = match self.peek() {
            Kind::Word("words") => Some(self.words()?),
            _ => None,
        };
        let layout = Layout { shape, batch_axis, strides, chunk_stride };
        Ok(Buffer { name, kind, dtype, layout, len, offset, words })
    }

    /// `words=[-3, 0x3f800000]`: integers, or bits.
    fn words(&mut self) -> Parsed<Arc<[u32]>> {
        self.word("words")?;
        self.symbol("=")?;
        let words = self.list(|parser| match *parser.peek() {
            Kind::Number(digits) if digits.starts_with("0x") => match u32::from_str_radix(&digits[2..], 16) {
                Ok(bits) => {
                    parser.next();
                    Ok(bits)
                }
                Err(_) => parser.expected("a word of 32 bits"),
            },
            _ => Ok(parser.i32()?.cast_unsigned()),
        })?;
        Ok(words.into())
    }

    fn kernel(&mut self) -> Parsed<Kernel> {
        self.word("kernel")?;
        let name = self.quoted()?;
        let role = match self.peek() {
            Kind::Word("role") => self.role()?,
            _ => KernelRole::Step,
        };
        let mut sources = Vec::new();
        if *self.peek() == Kind::Word("from") {
            self.word("from")?;
            sources.push(self.quoted()?);
            while matches!(self.peek(), Kind::Quoted(_)) {
                sources.push(self.quoted()?);
            }
        }
        Ok(Kernel { name, role, sources, body: self.block()? })
    }

    fn role(&mut self) -> Parsed<KernelRole> {
        self.word("role")?;
        self.symbol("=")?;
        let roles = [KernelRole::Prologue, KernelRole::Step, KernelRole::Update];
        self.choice("a role", &roles, KernelRole::name)
    }

    fn block(&mut self) -> Parsed<Vec<Stmt>> {
        self.symbol("{")?;
        self.nested(|parser| {
            let mut stmts = Vec::new();
            while *parser.peek() != Kind::Symbol("}") {
                stmts.push(parser.stmt()?);
            }
            parser.symbol("}")?;
            Ok(stmts)
        })
    }

    /// `of %3, %5`, or nothing.
    fn nodes(&mut self) -> Parsed<Vec<NodeId>> {
        let mut nodes = Vec::new();
        if *self.peek() == Kind::Word("of") {
            self.word("of")?;
            nodes.push(self.node()?);
            while *self.peek() == Kind::Symbol(",") {
                self.symbol(",")?;
                nodes.push(self.node()?);
            }
        }
        Ok(nodes)
    }

    fn node(&mut self) -> Parsed<NodeId> {
        self.symbol("%")?;
        Ok(NodeId(self.integer("the number of a node")?))
    }

    fn stmt(&mut self) -> Parsed<Stmt> {
        let Kind::Word(word) = *self.peek() else { return self.expected("a statement or `}`") };
        let kind = match word {
            "nest" => {
                self.next();
                return Ok(Stmt::Nest { name: self.quoted()?, nodes: self.nodes()?, body: self.block()? });
            }
            "lanes" => {
                self.next();
                return Ok(Stmt::Lanes { var: self.var()?, body: self.block()? });
            }
            "store" => {
                self.next();
                let to = self.access()?;
                self.symbol("=")?;
                return Ok(Stmt::Store { to, value: self.value()? });
            }
            "fetch" => {
                self.next();
                let from = self.access()?;
                self.word("lines")?;
                self.symbol("=")?;
                return Ok(Stmt::Fetch { from, n_lines: self.integer("a number of lines")? });
            }
            "tile" => return Ok(Stmt::Tile(Box::new(self.tile()?))),
            "for" => LoopKind::Serial,
            "parallel" => LoopKind::Parallel,
            "unroll" => LoopKind::Unroll,
            _ => return self.definition(word),
        };
        self.next();
        Ok(Stmt::For { range: self.range()?, kind, body: self.block()? })
    }

    /// `i0 = …`, `v0 = …` or `a0 = …`.
    fn definition(&mut self, word: &str) -> Parsed<Stmt> {
        match word.as_bytes()[0] {
            b'i' => {
                let var = self.var()?;
                self.symbol("=")?;
                if *self.peek() == Kind::Word("load") {
                    return self.load_index(var);
                }
                if *self.peek() == Kind::Word("clamp") {
                    self.next();
                    let value = self.affine()?;
                    return Ok(Stmt::ClampIndex { var, value, extent: self.number_of_values()? });
                }
                Ok(Stmt::LetIndex { var, value: self.affine()? })
            }
            b'v' => {
                let value = self.value()?;
                self.symbol("=")?;
                Ok(Stmt::Let { value, expr: self.expr()? })
            }
            b'a' => {
                let acc = AccId(self.id("a")?);
                self.symbol("=")?;
                Ok(Stmt::Set { acc, value: self.value()? })
            }
            _ => self.expected("a statement or `}`"),
        }
    }

    /// `load b0[…] in 0..9`.
    fn load_index(&mut self, var: Var) -> Parsed<Stmt> {
        self.word("load")?;
        let from = self.access()?;
        Ok(Stmt::LoadIndex { var, from, extent: self.number_of_values()? })
    }

    /// `in 0..9`.
    fn number_of_values(&mut self) -> Parsed<usize> {
        self.word("in")?;
        self.token(&Kind::Number("0"))?;
        self.symbol("..")?;
        self.integer("a number of values")
    }

    fn tile(&mut self) -> Parsed<Tile> {
        self.word("tile")?;
        let grid = self.list(|parser| {
            let var = parser.var()?;
            parser.symbol(":")?;
            Ok((var, parser.integer("an extent")?))
        })?;
        self.word("reds")?;
        let reds = self.list(Parser::range)?;
        let runs = self.runs()?;
        self.word("a")?;
        self.symbol("=")?;
        let a = self.access()?;
        self.word("b")?;
        self.symbol("=")?;
        let b = self.access()?;
        let ahead = if *self.peek() == Kind::Word("ahead") {
            self.next();
            self.symbol("=")?;
            let words = self.list(Parser::signed)?;
            words
                .try_into()
                .or_else(|words: Vec<i64>| self.error(format!("expected 2 distances, found {}", words.len())))?
        } else {
            [0, 0]
        };
        self.word("init")?;
        self.symbol("=")?;
        let init = if *self.peek() == Kind::Number("0") {
            self.next();
            TileInit::Zero
        } else {
            TileInit::Load(self.access()?)
        };
        self.symbol("->")?;
        let acc = self.value()?;
        Ok(Tile { grid, reds, runs, a, b, ahead, init, acc, epilogue: self.block()? })
    }

    fn runs(&mut self) -> Parsed<Option<Runs>> {
        if *self.peek() != Kind::Word("runs") {
            return Ok(None);
        }
        self.next();
        self.symbol("=")?;
        let length = self.integer("iterations of a run")?;
        let joins_lanes = *self.peek() == Kind::Word("join");
        if joins_lanes {
            self.next();
        }
        Ok(Some(Runs { length, joins_lanes }))
    }

    fn expr(&mut self) -> Parsed<Expr> {
        let Kind::Word(word) = *self.peek() else { return self.expected("an operation") };
        self.next();
        Ok(match word {
            "load" => Expr::Load(self.access()?),
            "f32" => Expr::F32(self.f32()?),
            "i32" => Expr::I32(self.i32()?),
            "index" => Expr::Index(self.affine()?),
            "acc" => Expr::Acc(AccId(self.id("a")?)),
            "fma" => {
                let [a, b, c] = self.values()?;
                Expr::Fma(a, b, c)
            }
            "cmp" => {
                let op = self.choice("a comparison", &CmpOp::ALL, CmpOp::name)?;
                let [a, b] = self.values()?;
                Expr::Cmp(op, a, b)
            }
            "select" => {
                let [condition, a, b] = self.values()?;
                Expr::Select(condition, a, b)
            }
            "join" => {
                let name = |join| if join == Join::Add { "add" } else { "max" };
                let join = self.choice("`add` or `max`", &[Join::Add, Join::Max], name)?;
                Expr::JoinLanes(join, self.value()?)
            }
            _ => {
                if let Some(&op) = UnaryOp::ALL.iter().find(|op| op.name() == word) {
                    return Ok(Expr::Unary(op, self.value()?));
                }
                if let Some(&op) = BinaryOp::ALL.iter().find(|op| op.name() == word) {
                    let [a, b] = self.values()?;
                    return Ok(Expr::Binary(op, a, b));
                }
                self.at -= 1;
                return self.expected("an operation");
            }
        })
    }

    fn f32(&mut self) -> Parsed<f32> {
        let minus = *self.peek() == Kind::Symbol("-");
        if minus {
            self.next();
        }
        let Kind::Number(digits) = *self.peek() else { return self.expected("a number") };
        let value = match digits.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16).ok().map(f32::from_bits),
            None => digits.parse().ok().filter(|value: &f32| value.is_finite()),
        };
        let Some(value) = value else { return self.expected("an f32") };
        self.next();
        Ok(if minus { -value } else { value })
    }

    fn i32(&mut self) -> Parsed<i32> {
        let value = self.signed()?;
        i32::try_from(value).or_else(|_| {
            self.at -= 1;
            self.error(format!("{value} is not an i32"))
        })
    }

    fn signed(&mut self) -> Parsed<i64> {
        let minus = *self.peek() == Kind::Symbol("-");
        if minus {
            self.next();
        }
        let value: i64 = self.integer("an integer")?;
        Ok(if minus { -value } else { value })
    }

    fn values<const N: usize>(&mut self) -> Parsed<[ValueId; N]> {
        let mut values = [ValueId(0); N];
        for (i, value) in values.iter_mut().enumerate() {
            if i > 0 {
                self.symbol(",")?;
            }
            *value = self.value()?;
        }
        Ok(values)
    }

    fn value(&mut self) -> Parsed<ValueId> {
        Ok(ValueId(self.id("v")?))
    }

    pub(super) fn var(&mut self) -> Parsed<Var> {
        Ok(Var(self.id("i")?))
    }

    /// The number of an id such as `b3`.
    pub(super) fn id(&mut self, prefix: &'static str) -> Parsed<u32> {
        if let Kind::Word(word) = self.peek()
            && let Some(digits) = word.strip_prefix(prefix)
            && digits.bytes().all(|c| c.is_ascii_digit())
            && let Ok(number) = digits.parse()
        {
            self.next();
            return Ok(number);
        }
        self.expected(&format!("a name such as `{prefix}0`"))
    }

    /// `name=12`
    fn field(&mut self, name: &'static str) -> Parsed<usize> {
        self.word(name)?;
        self.symbol("=")?;
        self.integer("a number")
    }

    /// `[1,2,3]`
    fn sizes(&mut self) -> Parsed<Vec<usize>> {
        self.list(|parser| parser.integer("a size"))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Parser<'a>) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.symbol("[")?;
        let mut items = Vec::new();
        while *self.peek() != Kind::Symbol("]") {
            if !items.is_empty() {
                self.symbol(",")?;
            }
            items.push(item(self)?);
        }
        self.symbol("]")?;
        Ok(items)
    }

    fn choice<T: Copy>(&mut self, what: &str, options: &[T], name: impl Fn(T) -> &'static str) -> Parsed<T> {
        if let Kind::Word(word) = *self.peek()
            && let Some(&option) = options.iter().find(|&&option| name(option) == word)
        {
            self.next();
            return Ok(option);
        }
        self.expected(what)
    }

    pub(super) fn integer<T: FromStr>(&mut self, what: &str) -> Parsed<T> {
        if let Kind::Number(digits) = self.peek()
            && let Ok(value) = digits.parse()
        {
            self.next();
            return Ok(value);
        }
        self.expected(what)
    }

    fn quoted(&mut self) -> Parsed<String> {
        let Kind::Quoted(name) = self.peek().clone() else { return self.expected("a name in quotes") };
        self.next();
        Ok(name)
    }

    pub(super) fn word(&mut self, word: &'static str) -> Parsed<()> {
        self.token(&Kind::Word(word))
    }

    pub(super) fn symbol(&mut self, symbol: &'static str) -> Parsed<()> {
        self.token(&Kind::Symbol(symbol))
    }

    fn token(&mut self, kind: &Kind<'static>) -> Parsed<()> {
        if self.peek() != kind {
            return self.expected(&kind.describe());
        }
        self.next();
        Ok(())
    }

    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Parser<'a>) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return self.error(format!("more than {MAX_DEPTH} blocks or divisions in each other"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    pub(super) fn peek(&self) -> &Kind<'a> {
        &self.tokens[self.at].kind
    }

    /// Moves on; stays at the end of the text.
    pub(super) fn next(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    pub(super) fn expected<T>(&self, what: &str) -> Parsed<T> {
        self.error(format!("expected {what}, found {}", self.peek().describe()))
    }

    pub(super) fn error<T>(&self, message: String) -> Parsed<T> {
        let Token { line, column, .. } = self.tokens[self.at];
        Err(ParseError::new(line, column, &message))
    }
}
