//! The text form of programs. [`super::parse`](mod@super::parse) reads it back; `docs/ir.md` has the grammar.
//!
//! Printing is deterministic and exact: `f32` constants are printed with the fewest digits that
//! read back to the same bits, infinities and NaNs as bits in hexadecimal.

use super::kernel::*;
use crate::types::DType;
use std::fmt::{self, Display, Formatter, Write};

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "program {} (batch={}, arena={}", Quoted(&self.name), self.batch, self.arena_words)?;
        if self.member_words > 0 {
            write!(f, ", member={}", self.member_words)?;
        }
        f.write_str(") {\n")?;
        for (number, buffer) in self.buffers.iter().enumerate() {
            writeln!(f, "  buffer {}: {buffer}", BufId(number as u32))?;
        }
        for kernel in &self.kernels {
            write!(f, "  kernel {}", Quoted(&kernel.name))?;
            if kernel.role != KernelRole::Step {
                write!(f, " role={}", kernel.role.name())?;
            }
            for (i, source) in kernel.sources.iter().enumerate() {
                write!(f, "{} {}", if i == 0 { " from" } else { "" }, Quoted(source))?;
            }
            f.write_str(" {\n")?;
            block(f, &kernel.body, 2)?;
            f.write_str("  }\n")?;
        }
        f.write_str("}\n")
    }
}

/// `f32 input "image" [64,28,28,1] batch=0 strides=[0,448,16,16] chunk=12544 len=50176 @0`
impl Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let layout = &self.layout;
        write!(f, "{} {} {} {}", self.dtype, self.kind.name(), Quoted(&self.name), Sizes(&layout.shape))?;
        if let Some(axis) = layout.batch_axis {
            write!(f, " batch={axis}")?;
        }
        let (strides, chunk) = (Sizes(&layout.strides), layout.chunk_stride);
        write!(f, " strides={strides} chunk={chunk} len={} @{}", self.len, self.offset)?;
        match &self.words {
            None => Ok(()),
            Some(words) => write!(f, " words={}", Words(self.dtype, words)),
        }
    }
}

/// `[1,-2]`, or bits.
struct Words<'a>(DType, &'a [u32]);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, &word) in self.1.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            match self.0 {
                DType::F32 => write!(f, "{word:#010x}")?,
                DType::I32 => write!(f, "{}", word.cast_signed())?,
            }
        }
        f.write_char(']')
    }
}

fn block(f: &mut Formatter<'_>, stmts: &[Stmt], depth: usize) -> fmt::Result {
    for stmt in stmts {
        let indent = 2 * depth;
        match stmt {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } | Stmt::Lanes { body, .. } => {
                writeln!(f, "{:indent$}{} {{", "", Head(stmt))?;
                block(f, body, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Stmt::Tile(tile) if !tile.epilogue.is_empty() => {
                writeln!(f, "{:indent$}{} {{", "", Head(stmt))?;
                block(f, &tile.epilogue, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Stmt::Tile(_) => writeln!(f, "{:indent$}{} {{}}", "", Head(stmt))?,
            _ => writeln!(f, "{:indent$}{}", "", Head(stmt))?,
        }
    }
    Ok(())
}

/// A statement without its body: one line, as in the text form.
pub(super) struct Head<'a>(pub(super) &'a Stmt);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Stmt::Nest { name, nodes, .. } => {
                write!(f, "nest {}", Quoted(name))?;
                let separator = |position| if position == 0 { " of" } else { "," };
                nodes.iter().enumerate().try_for_each(|(position, node)| write!(f, "{} {node}", separator(position)))
            }
            Stmt::For { range, kind, .. } => write!(f, "{} {range}", kind.name()),
            Stmt::Lanes { var, .. } => write!(f, "lanes {var}"),
            Stmt::LetIndex { var, value } => write!(f, "{var} = {value}"),
            Stmt::ClampIndex { var, value, extent } => write!(f, "{var} = clamp {value} in 0..{extent}"),
            Stmt::LoadIndex { var, from, extent } => write!(f, "{var} = load {from} in 0..{extent}"),
            Stmt::Let { value, expr } => write!(f, "{value} = {expr}"),
            Stmt::Set { acc, value } => write!(f, "{acc} = {value}"),
            Stmt::Store { to, value } => write!(f, "store {to} = {value}"),
            Stmt::Fetch { from, n_lines } => write!(f, "fetch {from} lines={n_lines}"),
            Stmt::Tile(tile) => write!(f, "{tile}"),
        }
    }
}

impl LoopKind {
    /// The word that opens such a loop in text form.
    pub fn name(self) -> &'static str {
        match self {
            LoopKind::Serial => "for",
            LoopKind::Parallel => "parallel",
            LoopKind::Unroll => "unroll",
        }
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} in ", self.var)?;
        bound(f, "max", &self.low)?;
        f.write_str("..")?;
        bound(f, "min", &self.high)
    }
}

fn bound(f: &mut Formatter<'_>, word: &str, bound: &Bound) -> fmt::Result {
    match bound.0.as_slice() {
        [one] => write!(f, "{one}"),
        many => write!(f, "{word}({})", List(many)),
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.buffer, self.index)
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Load(access) => write!(f, "load {access}"),
            Expr::F32(value) if value.is_finite() => write!(f, "f32 {value:?}"),
            Expr::F32(value) => write!(f, "f32 {:#010x}", value.to_bits()),
            Expr::I32(value) => write!(f, "i32 {value}"),
            Expr::Index(index) => write!(f, "index {index}"),
            Expr::Acc(acc) => write!(f, "acc {acc}"),
            Expr::Unary(op, a) => write!(f, "{} {a}", op.name()),
            Expr::Binary(op, a, b) => write!(f, "{} {a}, {b}", op.name()),
            Expr::Fma(a, b, c) => write!(f, "fma {a}, {b}, {c}"),
            Expr::Cmp(op, a, b) => write!(f, "cmp {} {a}, {b}", op.name()),
            Expr::Select(condition, a, b) => write!(f, "select {condition}, {a}, {b}"),
            Expr::JoinLanes(Join::Add, a) => write!(f, "join add {a}"),
            Expr::JoinLanes(Join::Max, a) => write!(f, "join max {a}"),
        }
    }
}

/// The line that opens a tile, without its epilogue.
impl Display for Tile {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("tile [")?;
        for (i, (var, extent)) in self.grid.iter().enumerate() {
            write!(f, "{}{var}:{extent}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, "] reds [{}] ", List(&self.reds))?;
        if let Some(Runs { length, joins_lanes }) = self.runs {
            write!(f, "runs={length}{} ", if joins_lanes { " join" } else { "" })?;
        }
        write!(f, "a={} b={} ", self.a, self.b)?;
        if self.ahead != [0, 0] {
            write!(f, "ahead=[{}] ", List(&self.ahead))?;
        }
        f.write_str("init=")?;
        match &self.init {
            TileInit::Zero => f.write_str("0")?,
            TileInit::Load(access) => write!(f, "{access}")?,
        }
        write!(f, " -> {}", self.acc)
    }
}

/// `a, b, c`
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// `[1,2,3]`
struct Sizes<'a>(&'a [usize]);

impl Display for Sizes<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, size) in self.0.iter().enumerate() {
            write!(f, "{}{size}", if i == 0 { "" } else { "," })?;
        }
        f.write_char(']')
    }
}

/// A name in quotes; quotes, backslashes and control characters are escaped.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
