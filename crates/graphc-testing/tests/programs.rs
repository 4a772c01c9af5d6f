//! Random programs are what they promise to be, and their text reads back.

use graphc_interp::loops::run;
use graphc_ir::DType;
use graphc_ir::index::Var;
use graphc_ir::loops::{Access, Expr, Join, LaneVars, LoopKind, Program, Stmt, Tile, TileInit, parse, verify};
use graphc_testing::programs::{program_from, programs};
use proptest::prelude::*;
use std::collections::BTreeSet;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn programs_are_valid_and_run(test in programs()) {
        let findings = verify(&test.program);
        prop_assert!(findings.is_empty(), "{}", findings[0]);
        let mut arena = test.arena.clone();
        prop_assert_eq!(run(&test.program, &mut arena), Ok(()));
        let tame = |buffer: &&graphc_ir::loops::Buffer| buffer.dtype == DType::F32 && !test.wild;
        for buffer in test.program.buffers.iter().filter(tame) {
            for &word in &arena[buffer.offset..buffer.offset + buffer.len] {
                prop_assert!(f32::from_bits(word).abs() <= 1e6, "{} in {}", f32::from_bits(word), buffer.name);
            }
        }
    }

    #[test]
    fn text_reads_back(test in programs()) {
        let text = test.program.to_string();
        let read = parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        // Constants may be NaN, which is not equal to itself; the text shows their bits.
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", test.program));
    }

    #[test]
    fn broken_text_is_an_error_and_no_panic(
        test in programs(),
        at in any::<prop::sample::Index>(),
        junk in "[ -~]{0,3}",
    ) {
        let text = test.program.to_string();
        let at = at.index(text.len());
        let broken = format!("{}{junk}{}", &text[..at], &text[at + 1..]);
        if let Ok(program) = parse(&broken) {
            // Whatever reads can be checked; what passes the check can be run up to an access out of bounds.
            if verify(&program).is_empty() && program.arena_words < 1 << 16 {
                prop_assert_eq!(parse(&program.to_string()).map(|read| read.to_string()), Ok(program.to_string()));
            }
        }
    }
}

#[test]
fn the_empty_list_of_choices_is_a_small_program() {
    let test = program_from(&[]);
    assert_eq!(verify(&test.program), []);
    assert!(test.program.to_string().lines().count() < 40, "{}", test.program);
}

/// Everything that occurs in some program, by the word that opens it in text form.
#[test]
fn every_form_occurs() {
    let mut found = BTreeSet::new();
    let mut state = 1u32;
    for _ in 0..200 {
        let choices: Vec<u32> = (0..1000)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state
            })
            .collect();
        forms(&program_from(&choices).program, &mut found);
    }
    let missing: Vec<&str> = FORMS.split_whitespace().filter(|form| !found.contains(*form)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}, found: {found:?}");
}

const FORMS: &str = "nest fetch for parallel unroll lanes let_index clamp_index load_index index_gathered index_by_lane index_loaded \
    gather load_loaded number_by_lane scatter scatter_word tile_loaded set store store_uniform store_gather \
    tile_lanes tile_scalar tile_zero tile_load tile_splat_vector tile_vector_vector tile_bounds tile_join \
    load load_gather f32 i32 index acc neg abs sqrt to_f32 bits_of from_bits add sub mul div max min iadd isub imul \
    iand ixor ishl ishr fma cmp select join_add join_max empty_loop splat_read";

fn forms(program: &Program, found: &mut BTreeSet<String>) {
    for kernel in &program.kernels {
        stmts(&kernel.body, None, found);
        loaded_indices(&kernel.body, &mut Loaded::default(), found);
    }
}

fn stmts(body: &[Stmt], lane: Option<Var>, found: &mut BTreeSet<String>) {
    for stmt in body {
        self::stmt(stmt, lane, &mut |form| {
            found.insert(form.to_owned());
        });
        match stmt {
            Stmt::Nest { body, .. } | Stmt::For { body, .. } => stmts(body, lane, found),
            Stmt::Lanes { var, body } => stmts(body, Some(*var), found),
            Stmt::Tile(tile) => stmts(&tile.epilogue, lane, found),
            _ => {}
        }
    }
}

/// Index variables of a kernel that are loaded: all, and those that differ from lane to lane.
#[derive(Default)]
struct Loaded {
    all: Vec<Var>,
    lanes: LaneVars,
}

/// What is done with loaded indices. No variable of a kernel has the name of another.
fn loaded_indices(body: &[Stmt], loaded: &mut Loaded, found: &mut BTreeSet<String>) {
    for stmt in body {
        let uses = |at: &Access| loaded.all.iter().any(|&var| at.index.uses(var));
        let form = match stmt {
            Stmt::LoadIndex { from, .. } if loaded.lanes.loaded_in(&from.index).is_some() => "index_gathered",
            Stmt::LoadIndex { from, .. } if loaded.lanes.are_in(&from.index) => "index_by_lane",
            Stmt::LoadIndex { .. } => "index_loaded",
            Stmt::Let { expr: Expr::Load(from), .. } if loaded.lanes.loaded_in(&from.index).is_some() => "gather",
            Stmt::Let { expr: Expr::Load(from), .. } if uses(from) => "load_loaded",
            Stmt::Let { expr: Expr::Index(index), .. } if loaded.lanes.loaded_in(index).is_some() => "number_by_lane",
            Stmt::Store { to, .. } if uses(to) && loaded.lanes.are_in(&to.index) => "scatter",
            Stmt::Store { to, .. } if uses(to) => "scatter_word",
            Stmt::Tile(tile) if [&tile.a, &tile.b].into_iter().any(uses) => "tile_loaded",
            _ => "",
        };
        found.insert(form.to_owned());
        match stmt {
            Stmt::LoadIndex { var, from, .. } => {
                loaded.lanes.load(*var, from);
                loaded.all.push(*var);
            }
            Stmt::Nest { body, .. } | Stmt::For { body, .. } => loaded_indices(body, loaded, found),
            Stmt::Lanes { var, body } => {
                loaded.lanes.enter(*var);
                loaded_indices(body, loaded, found);
                loaded.lanes.truncate(0);
            }
            Stmt::Tile(tile) => loaded_indices(&tile.epilogue, loaded, found),
            _ => {}
        }
    }
}

/// The forms of a statement without what stands in it.
fn stmt(stmt: &Stmt, lane: Option<Var>, see: &mut dyn FnMut(&str)) {
    match stmt {
        Stmt::Nest { .. } => see("nest"),
        Stmt::For { kind, range, .. } => {
            see(match kind {
                LoopKind::Serial => "for",
                LoopKind::Parallel => "parallel",
                LoopKind::Unroll => "unroll",
            });
            if range.extent() == Some(0) {
                see("empty_loop");
            }
        }
        Stmt::Lanes { .. } => see("lanes"),
        Stmt::LetIndex { .. } => see("let_index"),
        Stmt::ClampIndex { .. } => see("clamp_index"),
        Stmt::LoadIndex { .. } => see("load_index"),
        Stmt::Set { .. } => see("set"),
        Stmt::Let { expr, .. } => {
            let text = expr.to_string();
            let word = text.split(' ').next().expect("an operation");
            match expr {
                Expr::JoinLanes(Join::Add, _) => see("join_add"),
                Expr::JoinLanes(Join::Max, _) => see("join_max"),
                Expr::Load(access) => {
                    see("load");
                    if let Some(lane) = lane {
                        let coefficient = access.index.coefficient(lane);
                        see(match (access.index.uses(lane), coefficient) {
                            (false, _) => "splat_read",
                            (true, 0) => "load_gather",
                            _ => "load",
                        });
                    }
                }
                _ => see(word),
            }
        }
        Stmt::Store { to, .. } => {
            see("store");
            if let Some(lane) = lane {
                see(match (to.index.uses(lane), to.index.coefficient(lane)) {
                    (false, _) => "store_uniform",
                    (true, 0) => "store_gather",
                    _ => "store",
                });
            }
        }
        Stmt::Fetch { .. } => see("fetch"),
        Stmt::Tile(tile) => self::tile(tile, lane, see),
    }
}

fn tile(tile: &Tile, lane: Option<Var>, see: &mut dyn FnMut(&str)) {
    see(if lane.is_some() { "tile_lanes" } else { "tile_scalar" });
    see(if tile.init == TileInit::Zero { "tile_zero" } else { "tile_load" });
    if tile.reds.iter().any(|range| range.extent().is_none()) {
        see("tile_bounds");
    }
    if let Some(lane) = lane {
        let vector = |access: &graphc_ir::loops::Access| access.index.uses(lane);
        match (vector(&tile.a), vector(&tile.b)) {
            (true, true) => see("tile_vector_vector"),
            (true, false) | (false, true) => see("tile_splat_vector"),
            (false, false) => {}
        }
        let joined = tile
            .epilogue
            .iter()
            .any(|stmt| matches!(stmt, Stmt::Let { expr: Expr::JoinLanes(_, value), .. } if *value == tile.acc));
        if joined {
            see("tile_join");
        }
    }
}
