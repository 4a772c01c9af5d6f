//! The emitter of one function: its state, values and constants.

use super::callees::{Callee, Callees};
use super::index::{Indices, Linear};
use crate::hash::QuickMap;
use crate::select::selection::{FunctionRole, SelectedFunction};
use crate::select::uniform::Uniformity;
use crate::select::values::Scalar;
use cranelift_codegen::ir::immediates::Ieee32;
use cranelift_codegen::ir::types::{F32, F32X4, I8, I32, I32X4, I64};
use cranelift_codegen::ir::{
    Block, Endianness, ExtFuncData, ExternalName, FuncRef, Function, InstBuilder, MemFlagsData, Type, UserExternalName,
    Value,
};
use cranelift_codegen::isa::{TargetFrontendConfig, TargetIsa};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use graphc_ir::index::Var;
use graphc_ir::loops::{AccId, BufId, Kernel, Program, ValueId};
use graphc_ir::scalar::LANES;

impl Scalar {
    /// Type of one lane outside a region.
    pub(super) fn scalar_type(self) -> Type {
        match self {
            Scalar::F32 => F32,
            Scalar::I32 => I32,
            Scalar::Condition => I8,
        }
    }

    /// Type of four lanes.
    pub(super) fn vector_type(self) -> Type {
        match self {
            Scalar::F32 => F32X4,
            Scalar::I32 | Scalar::Condition => I32X4,
        }
    }
}

/// Where a value is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Held {
    /// The same in every lane.
    Uniform(Value),
    /// 8 lanes in two registers.
    Lanes([Value; 2]),
}

/// A constant known while compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    /// By bits.
    F32(u32),
    I32(i32),
}

/// A value of the loop program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) scalar: Scalar,
    pub(super) held: Held,
    /// The splat of a uniform value, if made.
    pub(super) splat: Option<Value>,
    pub(super) constant: Option<Constant>,
}

impl Operand {
    pub(super) fn new(scalar: Scalar, held: Held) -> Operand {
        Operand { scalar, held, splat: None, constant: None }
    }

    pub(super) fn uniform(scalar: Scalar, value: Value) -> Operand {
        Operand::new(scalar, Held::Uniform(value))
    }

    /// Whether it is the constant with all bits zero.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self.constant, Some(Constant::F32(0) | Constant::I32(0)))
    }
}

/// A mutable scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acc {
    pub(super) scalar: Scalar,
    pub(super) vars: AccVars,
}

/// Registers of a mutable scalar.
#[derive(Clone, Copy, Debug)]
pub(super) enum AccVars {
    Uniform(Variable),
    Lanes([Variable; 2]),
}

/// How emission ended.
pub(super) enum Outcome {
    Done,
    /// The program breaks a rule.
    Invalid(String),
}

/// Result of emitting a part; the message lacks the kernel's name.
pub(super) type Emit<T = ()> = Result<T, String>;

/// Bounds checks in force.
pub(super) struct Checks<'s> {
    pub(super) failures: &'s mut Vec<String>,
    pub(super) nest: &'s str,
    /// Returns the code it is given.
    pub(super) fail: Block,
}

/// `for value in (low..high).step_by(step)`, at least once unless it may be empty.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) low: Value,
    pub(super) high: Value,
    pub(super) step: i64,
    pub(super) may_be_empty: bool,
}

/// What holds throughout a function.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'p> {
    pub(super) program: &'p Program,
    pub(super) kernel: &'p Kernel,
    pub(super) uniformity: &'p Uniformity,
    pub(super) callees: &'p Callees<'p>,
    pub(super) isa: &'p dyn TargetIsa,
}

/// Emits one function.
pub(super) struct FunctionEmitter<'p, 's> {
    pub(super) program: &'p Program,
    pub(super) kernel: &'p Kernel,
    pub(super) uniformity: &'p Uniformity,
    pub(super) callees: &'p Callees<'p>,
    pub(super) builder: FunctionBuilder<'s>,
    pub(super) indices: Indices,
    pub(super) arena: Value,
    /// The memory of the member that runs the function.
    pub(super) member: Value,
    /// Addresses of buffers.
    pub(super) bases: QuickMap<BufId, Value>,
    pub(super) values: QuickMap<ValueId, Operand>,
    pub(super) accs: QuickMap<AccId, Acc>,
    /// The lane variable within a region.
    pub(super) lane: Option<Var>,
    /// Index variables that are loaded for every lane by itself.
    pub(super) by_lane: QuickMap<Var, [Linear; LANES]>,
    pub(super) checks: Option<Checks<'s>>,
    /// Whether the code is for x86-64.
    pub(super) is_x64: bool,
    /// Whether the processor rounds to integers: those of x86-64 that have SSE 4.1, and others.
    pub(super) has_rounding: bool,
    constants: QuickMap<(Constant, bool), Value>,
    frontend: TargetFrontendConfig,
}

impl<'p, 's> FunctionEmitter<'p, 's> {
    pub(super) fn new(
        surroundings: Surroundings<'p>,
        func: &'s mut Function,
        context: &'s mut FunctionBuilderContext,
    ) -> FunctionEmitter<'p, 's> {
        let Surroundings { program, kernel, uniformity, callees, isa } = surroundings;
        let mut builder = FunctionBuilder::new(func, context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let [arena, member] = [0, 1].map(|param| builder.block_params(entry)[param]);
        FunctionEmitter {
            program,
            kernel,
            uniformity,
            callees,
            builder,
            indices: Indices::default(),
            arena,
            member,
            bases: QuickMap::default(),
            values: QuickMap::default(),
            accs: QuickMap::default(),
            lane: None,
            by_lane: QuickMap::default(),
            checks: None,
            is_x64: isa.name() == "x64",
            has_rounding: isa.name() != "x64" || has_sse41(isa),
            constants: QuickMap::default(),
            frontend: isa.frontend_config(),
        }
    }

    /// Turns bounds checks on if there is a table for their messages.
    pub(super) fn checked(mut self, failures: Option<&'s mut Vec<String>>, nest: &'s str) -> FunctionEmitter<'p, 's> {
        if let Some(failures) = failures {
            let fail = self.builder.create_block();
            self.builder.append_block_param(fail, I32);
            self.builder.set_cold_block(fail);
            self.checks = Some(Checks { failures, nest, fail });
        }
        self
    }

    /// Emits the body; variables get the parameters' values. A shared loop runs from the first parameter to the
    /// second. A phase sets the processor's mode.
    pub(super) fn emit(mut self, function: &SelectedFunction<'_>) -> Outcome {
        let (is_phase, shared) = match &function.role {
            FunctionRole::Phase(shared) => (true, shared.as_ref()),
            FunctionRole::Nest => (false, None),
        };
        let mode = self.callees.mode().filter(|_| is_phase).map(|[enter, leave]| {
            let (enter, leave) = (self.import(enter), self.import(leave));
            let call = self.builder.ins().call(enter, &[]);
            (leave, self.builder.inst_results(call)[0])
        });
        self.indices.enter(&mut self.builder);
        self.indices.define(self.arena);
        self.indices.define(self.member);
        let entry = self.builder.current_block().expect("a block");
        let values: Vec<Value> = self.builder.block_params(entry)[2..].to_vec();
        for (&var, &value) in function.params.iter().zip(&values) {
            let linear = self.indices.define(value);
            self.indices.bind(var, linear);
        }
        let emitted = match shared {
            None => self.block(function.body, &function.block),
            Some(shared) => {
                let steps = Steps { low: values[0], high: values[1], step: 1, may_be_empty: true };
                let body = &mut |this: &mut Self, value| {
                    this.indices.bind(shared.var, value);
                    this.block(function.body, &function.block)
                };
                self.located(shared.var, |this| this.counted_loop(steps, body))
            }
        };
        let zero = self.builder.ins().iconst(I32, 0);
        self.leave(mode, zero);
        if let Some(checks) = &self.checks {
            self.builder.switch_to_block(checks.fail);
            let code = self.builder.block_params(checks.fail)[0];
            self.leave(mode, code);
        }
        self.builder.seal_all_blocks();
        self.builder.finalize(self.frontend);
        match emitted {
            Ok(()) => Outcome::Done,
            Err(message) => Outcome::Invalid(message),
        }
    }

    /// Returns a code; restores the processor's mode by that function and control word first.
    fn leave(&mut self, mode: Option<(FuncRef, Value)>, code: Value) {
        if let Some((leave, found)) = mode {
            self.builder.ins().call(leave, &[found]);
        }
        self.builder.ins().return_(&[code]);
    }

    /// A reference to another function of the module.
    pub(super) fn import(&mut self, callee: Callee) -> FuncRef {
        let signature = self.builder.import_signature(callee.signature);
        let name = UserExternalName { namespace: 0, index: callee.function.as_u32() };
        let name = self.builder.func.declare_imported_user_function(name);
        self.builder.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        })
    }

    /// A value by its id.
    pub(super) fn operand(&self, id: ValueId) -> Emit<Operand> {
        self.values.get(&id).copied().ok_or_else(|| format!("{id} is not defined"))
    }

    /// A value by its id, of a given type.
    pub(super) fn typed(&self, id: ValueId, scalar: Scalar) -> Emit<Operand> {
        let operand = self.operand(id)?;
        if operand.scalar != scalar {
            return Err(format!("{id} is {:?} where {scalar:?} is expected", operand.scalar));
        }
        Ok(operand)
    }

    /// Both halves of a value; splats it if it is uniform.
    pub(super) fn lanes(&mut self, operand: &Operand) -> [Value; 2] {
        match (operand.held, operand.constant, operand.splat) {
            (Held::Lanes(lanes), ..) => lanes,
            (_, Some(constant), _) => [self.constant(constant, true); 2],
            (_, _, Some(splat)) => [splat; 2],
            (Held::Uniform(value), ..) => [self.splat(operand.scalar, value); 2],
        }
    }

    /// Four copies of a scalar.
    pub(super) fn splat(&mut self, scalar: Scalar, value: Value) -> Value {
        let ins = self.builder.ins();
        match scalar {
            Scalar::F32 | Scalar::I32 => ins.splat(scalar.vector_type(), value),
            Scalar::Condition => {
                let wide = ins.sextend(I32, value);
                let mask = self.builder.ins().ineg(wide);
                self.builder.ins().splat(I32X4, mask)
            }
        }
    }

    /// A constant or its splat, made once at the head of the function.
    pub(super) fn constant(&mut self, constant: Constant, splat: bool) -> Value {
        if let Some(&known) = self.constants.get(&(constant, splat)) {
            return known;
        }
        let value = if splat {
            let one = self.constant(constant, false);
            let ty = if matches!(constant, Constant::F32(_)) { F32X4 } else { I32X4 };
            self.indices.hoist(&mut self.builder, 0, |cursor| cursor.ins().splat(ty, one))
        } else {
            self.indices.hoist(&mut self.builder, 0, |cursor| match constant {
                Constant::F32(bits) => cursor.ins().f32const(Ieee32::with_bits(bits)),
                Constant::I32(value) => cursor.ins().iconst(I32, i64::from(value)),
            })
        };
        self.constants.insert((constant, splat), value);
        value
    }

    /// The bits of a value as another type of the same size.
    pub(super) fn bits_as(&mut self, ty: Type, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        self.builder.ins().bitcast(ty, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    /// `i64` to the `i32` that index expressions become.
    pub(super) fn narrow(&mut self, value: Value) -> Value {
        debug_assert_eq!(self.builder.func.dfg.value_type(value), I64);
        self.builder.ins().ireduce(I32, value)
    }
}

fn has_sse41(isa: &dyn TargetIsa) -> bool {
    isa.isa_flags().iter().any(|flag| flag.name == "has_sse41" && flag.as_bool() == Some(true))
}
