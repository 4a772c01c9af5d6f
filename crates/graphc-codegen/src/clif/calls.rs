//! Calls of assembled functions.
//!
//! A tile gets three pointers: both factors at the first iteration of every reduction, and where results go.
//! Straight-line code gets a table on the stack: pointers to what it reads and writes at its first iteration, the
//! vectors that do not change, and the accumulators, which are read back.

use super::function::{AccVars, Constant, Emit, FunctionEmitter, Held, Operand};
use super::index::Linear;
use super::memory::{HALF_BYTES, Place};
use crate::asm::straight_line::Table;
use crate::asm::tile::CELL_BYTES;
use crate::select::selection::{
    FetchCall, Fixed, Operands, Pointer, StraightLineCall, TileCall, TileOut, TransposeCall,
};
use crate::select::shapes::ShapeId;
use crate::select::tile::grid_cells;
use crate::select::values::Scalar;
use cranelift_codegen::ir::types::{F32X4, I64};
use cranelift_codegen::ir::{InstBuilder, StackSlotData, StackSlotKind, Value};
use graphc_ir::loops::{Access, Range, Tile, TileInit};

impl FunctionEmitter<'_, '_> {
    /// Emits a tile as a call.
    pub(super) fn tile_call(&mut self, tile: &Tile, call: &TileCall) -> Emit {
        let cells = grid_cells(&tile.grid);
        let counts = self.reduction_counts(tile, call)?;
        let callee = self.callees.shape(call.function);
        let callee = self.import(callee);
        let mut args = Vec::with_capacity(3 + counts.len());
        for factor in &call.factors {
            args.push(self.pointer(factor)?);
        }
        let out = match &call.out {
            TileOut::Table(operands) => self.table(operands)?,
            TileOut::Place(to) => self.pointer(to)?,
            TileOut::Accumulators { .. } => self.stack_slot(cells.len() as u32 * CELL_BYTES as u32),
        };
        args.push(out);
        for count in &counts {
            args.push(self.indices.value(&mut self.builder, count));
        }
        let TileOut::Accumulators { epilogue, .. } = &call.out else {
            self.builder.ins().call(callee, &args);
            return Ok(());
        };
        self.store_start(tile, &cells, out)?;
        self.builder.ins().call(callee, &args);
        for ((cell, block), offset) in cells.iter().zip(epilogue).zip((0..).step_by(CELL_BYTES as usize)) {
            self.bind_cell(tile, cell);
            let halves = [0, HALF_BYTES].map(|half| self.load_at(F32X4, out, offset + half));
            self.values.insert(tile.acc, Operand::new(Scalar::F32, Held::Lanes(halves)));
            self.block(&tile.epilogue, block)?;
        }
        Ok(())
    }

    /// Extents that the call passes; binds the reductions' variables to their lower bounds.
    fn reduction_counts(&mut self, tile: &Tile, call: &TileCall) -> Emit<Vec<Linear>> {
        let mut counts = Vec::with_capacity(call.counts.len());
        for (number, range) in tile.reds.iter().enumerate() {
            let (low, high) = self.range(range)?;
            if call.counts.contains(&number) {
                counts.push(self.extent(&low, &high));
            }
            self.indices.bind(range.var, low);
        }
        Ok(counts)
    }

    fn extent(&mut self, low: &Linear, high: &Linear) -> Linear {
        let [low, high] = [low, high].map(|bound| self.indices.value(&mut self.builder, bound));
        Linear::value(self.indices.difference(&mut self.builder, high, low))
    }

    /// Stores the accumulators' first values for the tile to read, if it does not begin with zeros.
    fn store_start(&mut self, tile: &Tile, cells: &[Vec<i64>], out: Value) -> Emit {
        let TileInit::Load(access) = &tile.init else { return Ok(()) };
        for (cell, offset) in cells.iter().zip((0..).step_by(CELL_BYTES as usize)) {
            self.bind_cell(tile, cell);
            let start = self.load(access)?;
            let halves = self.lanes(&start);
            self.store_halves(halves, out, offset);
        }
        Ok(())
    }

    /// Emits a loop as a call.
    pub(super) fn straight_line_call(&mut self, range: &Range, call: &StraightLineCall) -> Emit {
        let (low, high) = self.range(range)?;
        let callee = self.callees.shape(call.function);
        let callee = self.import(callee);
        self.indices.bind(range.var, low.clone());
        let layout = call.operands.table;
        let table = self.table(&call.operands)?;
        for (number, &acc) in call.accs.iter().enumerate() {
            let operand = self.read_acc(acc)?;
            let halves = self.lanes(&operand);
            self.store_halves(halves, table, layout.acc_offset(number));
        }
        let count = self.extent(&low, &high);
        let count = self.indices.value(&mut self.builder, &count);
        self.builder.ins().call(callee, &[table, count]);
        for (number, &acc) in call.accs.iter().enumerate() {
            let offset = layout.acc_offset(number);
            let halves = [0, HALF_BYTES].map(|half| self.load_at(F32X4, table, offset + half));
            let AccVars::Lanes(vars) = self.accs[&acc].vars else { unreachable!("only vectors are selected") };
            vars.into_iter().zip(halves).for_each(|(var, half)| self.builder.def_var(var, half));
        }
        Ok(())
    }

    /// A table on the stack with its pointers and constant vectors.
    fn table(&mut self, operands: &Operands) -> Emit<Value> {
        let layout = operands.table;
        let table = self.stack_slot(layout.bytes() as u32);
        for (number, pointer) in operands.pointers.iter().enumerate() {
            let value = match pointer {
                Pointer::To(place) => self.pointer(place)?,
                Pointer::Integer(index) => {
                    let value = self.indices.resolve(&mut self.builder, index)?;
                    self.indices.value(&mut self.builder, &value)
                }
                Pointer::Computed => continue,
            };
            self.store_at(value, table, layout.pointer_offset(number));
        }
        for (number, fixed) in operands.fixed.iter().enumerate() {
            let operand = self.fixed(fixed, Scalar::F32)?;
            let halves = self.lanes(&operand);
            self.store_halves(halves, table, layout.constant_offset(number));
        }
        Ok(table)
    }

    /// A constant vector; `scalar` is the type of one that is given by its bits.
    fn fixed(&mut self, fixed: &Fixed, scalar: Scalar) -> Emit<Operand> {
        match fixed {
            Fixed::Bits(bits) if scalar == Scalar::I32 => {
                Ok(self.constant_operand(scalar, Constant::I32(bits.cast_signed())))
            }
            Fixed::Bits(bits) => Ok(self.constant_operand(Scalar::F32, Constant::F32(*bits))),
            Fixed::Index(index) => self.index(index),
            Fixed::Outer(id) => self.operand(*id),
            Fixed::Compare { op, are_integers, a, b } => {
                let scalar = if *are_integers { Scalar::I32 } else { Scalar::F32 };
                let operands = [self.fixed(a, scalar)?, self.fixed(b, scalar)?];
                self.compare_operands(*op, operands)
            }
        }
    }

    /// Emits a loop as calls that copy its squares.
    pub(super) fn transpose_calls(&mut self, function: ShapeId, calls: &[TransposeCall]) -> Emit {
        let callee = self.callees.shape(function);
        let callee = self.import(callee);
        for call in calls {
            let from = self.pointer(&call.from)?;
            let to = self.pointer(&call.to)?;
            let count = self.builder.ins().iconst(I64, call.count);
            self.builder.ins().call(callee, &[from, to, count]);
        }
        Ok(())
    }

    /// Emits hints as calls of functions that do nothing else.
    pub(super) fn fetch_calls(&mut self, calls: &[FetchCall]) -> Emit {
        for call in calls {
            let callee = self.callees.shape(call.function);
            let callee = self.import(callee);
            let layout = Table { n_pointers: call.from.len(), ..Table::default() };
            let table = self.stack_slot(layout.bytes() as u32);
            for (number, from) in call.from.iter().enumerate() {
                let address = self.pointer(from)?;
                self.store_at(address, table, layout.pointer_offset(number));
            }
            let once = self.builder.ins().iconst(I64, 1);
            self.builder.ins().call(callee, &[table, once]);
        }
        Ok(())
    }

    pub(super) fn stack_slot(&mut self, bytes: u32) -> Value {
        let slot = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 5);
        let slot = self.builder.create_sized_stack_slot(slot);
        self.builder.ins().stack_addr(I64, slot, 0)
    }

    /// The address of an access in lane 0.
    fn pointer(&mut self, access: &Access) -> Emit<Value> {
        let (Place::Word(word) | Place::Vector(word)) = self.place(&access.index)? else {
            return Err(format!("the index {} of a call is scattered", access.index));
        };
        let (base, offset) = self.address(access.buffer, &word);
        Ok(if offset == 0 { base } else { self.builder.ins().iadd_imm_s(base, i64::from(offset)) })
    }

    fn store_halves(&mut self, halves: [Value; 2], table: Value, offset: i32) {
        for (half, offset) in halves.into_iter().zip([offset, offset + HALF_BYTES]) {
            self.store_at(half, table, offset);
        }
    }
}
