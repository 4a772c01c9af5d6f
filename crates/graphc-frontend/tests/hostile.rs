//! Graph files made to cost much: what is said about them stays small, and so does the work, which is counted here
//! where it can be. `docs/limits.md` has the limits.

use graphc_frontend::limits::{MAX_FILE_BYTES, MAX_MISTAKES, MAX_NODES};
use graphc_frontend::{Diagnostics, limits, parse, parse_bytes, summary};
use graphc_ir::text::is_hidden;
use std::path::Path;

/// A graph file of these nodes (JSON objects) that trains the node `p` on the inputs `x` and `y`.
fn file(nodes: &[String]) -> String {
    format!(
        "{{ \"graphc\": 1, \"inputs\": {{ \"x\": {{ \"shape\": [\"N\", 4] }}, \"y\": {{ \"shape\": [\"N\", 4] }} }},\n\
         \"nodes\": [{}],\n\
         \"loss\": {{ \"op\": \"mean_squared_error\", \"prediction\": \"p\", \"target\": \"y\" }} }}",
        nodes.join(",\n")
    )
}

fn node(name: &str, inputs: &str) -> String {
    format!("{{ \"name\": \"{name}\", \"op\": \"relu\", \"inputs\": \"{inputs}\" }}")
}

fn refused(text: &str) -> Diagnostics {
    parse(text, Path::new("hostile.graph.json")).expect_err("something is wrong with it")
}

/// What is said fits on a few screens and changes nothing of the terminal; gives it.
#[track_caller]
fn said(diagnostics: &Diagnostics) -> String {
    let text = diagnostics.to_string();
    assert!(text.len() < 48 << 10, "{} bytes of messages", text.len());
    assert!(!text.contains(|c: char| is_hidden(c) && c != '\n'), "hidden characters in {text:?}");
    assert!(diagnostics.sorted().len() <= MAX_MISTAKES);
    text
}

/// The last line of what is said.
#[track_caller]
fn count(diagnostics: &Diagnostics) -> String {
    said(diagnostics).lines().last().expect("there is a last line").to_string()
}

#[test]
fn one_field_ten_thousand_times_in_one_line() {
    let text = format!("{{ {} }}", vec!["\"graphc\": 1"; 10_000].join(", "));
    let diagnostics = refused(&text);
    assert_eq!(count(&diagnostics), "10002 mistakes, 9982 more than are shown, in hostile.graph.json");
    let fields: Vec<String> = (0..10_000).map(|i| format!("\"field{i}\": {i}")).collect();
    assert_eq!(
        count(&refused(&format!("{{ {} }}", fields.join(", ")))),
        "10004 mistakes, 9984 more than are shown, in hostile.graph.json"
    );
}

#[test]
fn two_names_of_sixty_thousand_letters() {
    let (a, b) = ("a".repeat(60_000), "é".repeat(60_000));
    let diagnostics = refused(&file(&[node(&a, "x"), node(&b, "x"), node("p", &a), node("q", &b), node("r", &a[1..])]));
    assert_eq!(count(&diagnostics), "3 mistakes in hostile.graph.json");
    let long_fields = format!("{{ \"{a}\": 1, \"{b}\": 2, \"graphc\": 1 }}");
    assert_eq!(count(&refused(&long_fields)), "5 mistakes in hostile.graph.json");
}

#[test]
fn five_thousand_unknown_references() {
    let nodes: Vec<String> = (0..5000).map(|i| node(&format!("node_{i}"), &format!("mode_{i}"))).collect();
    let diagnostics = refused(&file(&nodes));
    assert_eq!(count(&diagnostics), "5001 mistakes, 4981 more than are shown, in hostile.graph.json");
    // The first of them still say what was probably meant.
    assert!(said(&diagnostics).contains("did you mean `node_0`?"));
    let names: Vec<String> = (0..5000).map(|i| format!("\"z{i}\"")).collect();
    let many = file(&[format!("{{ \"name\": \"p\", \"op\": \"add\", \"inputs\": [{}] }}", names.join(", "))]);
    assert_eq!(count(&refused(&many)), "5001 mistakes, 4981 more than are shown, in hostile.graph.json");
}

#[test]
fn as_many_nodes_as_there_may_be() {
    let n_nodes = MAX_NODES - 2;
    let name = |i: usize| if i + 1 == n_nodes { "p".to_string() } else { format!("n{i}") };
    // A chain, in file order and against it, and nodes that nothing reads, each with a step counter.
    let chain = |i: usize| node(&name(i), &if i == 0 { "x".to_string() } else { name(i - 1) });
    let forward: Vec<String> = (0..n_nodes).map(chain).collect();
    let backward: Vec<String> = (0..n_nodes).rev().map(chain).collect();
    let unread =
        |i: usize| format!("{{ \"name\": \"{}\", \"op\": \"dropout\", \"rate\": 0.5, \"inputs\": \"x\" }}", name(i));
    let unread: Vec<String> = (0..n_nodes).map(unread).collect();
    for nodes in [&forward, &backward, &unread] {
        let experiment = parse(&file(nodes), Path::new("large")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert_eq!(summary(&experiment.graph).len(), MAX_NODES);
    }
    // All in one line.
    let experiment = parse(&file(&unread).replace('\n', " "), Path::new("large"));
    assert_eq!(experiment.expect("nothing is wrong").graph.outputs.len(), n_nodes + 1);
    let mut more = forward;
    more.push(node("q", "x"));
    let diagnostics = refused(&file(&more));
    assert!(said(&diagnostics).contains("error: the network has 50001 inputs and nodes"));
    assert_eq!(count(&diagnostics), "1 mistake in hostile.graph.json");
}

#[test]
fn cycles() {
    // One through all nodes, and many short ones.
    let long: Vec<String> = (0..40_000).map(|i| node(&format!("n{i}"), &format!("n{}", (i + 1) % 40_000))).collect();
    let diagnostics = refused(&file(&long));
    assert!(said(&diagnostics).contains("`n7` reads (39992 more) reads `n0`"), "{diagnostics}");
    let short: Vec<String> = (0..40_000).map(|i| node(&format!("n{i}"), &format!("n{}", i ^ 1))).collect();
    let nodes = [short, vec![node("p", "x")]].concat();
    assert_eq!(count(&refused(&file(&nodes))), "20000 mistakes, 19980 more than are shown, in hostile.graph.json");
}

#[test]
fn lists_and_sizes() {
    let dense = "{ \"name\": \"p\", \"op\": \"dense\", \"inputs\": \"x\", \"units\": 4 }";
    let with = |fields: &str| refused(&file(&[dense.to_string(), format!("{{ \"name\": \"q\", {fields} }}")]));
    let ones = vec!["1"; 100_000].join(", ");
    for fields in [
        format!("\"op\": \"reshape\", \"shape\": [{ones}]"),
        format!("\"op\": \"transpose\", \"perm\": [{ones}]"),
        format!("\"op\": \"conv2d\", \"filters\": 1, \"kernel\": [{ones}]"),
        format!("\"op\": \"dense\", \"units\": {}", "9".repeat(100_000)),
        format!("\"op\": \"constant\", \"value\": 1e{}", "9".repeat(100_000)),
        "\"op\": \"reshape\", \"shape\": [\"N\", 2147483647, 2147483647, 2147483647, 2147483647, 2147483647]"
            .to_string(),
        "\"op\": \"broadcast\", \"shape\": [\"N\", 2147483647, 2147483647, 2147483647, 4]".to_string(),
    ] {
        assert_eq!(count(&with(&fields)).split(' ').next(), Some("1"), "{}", with(&fields));
    }
    let wrong_items = with(&format!("\"op\": \"reshape\", \"shape\": [{}]", vec!["0"; 16].join(", ")));
    assert_eq!(count(&wrong_items), "16 mistakes in hostile.graph.json");
}

/// A graph file with these blocks (JSON members) and nodes.
fn of_blocks(blocks: &[String], nodes: &[String]) -> String {
    file(nodes).replacen("\"inputs\"", &format!("\"blocks\": {{ {} }}, \"inputs\"", blocks.join(",\n")), 1)
}

/// What is written out of blocks is bounded as a file is.
#[test]
fn blocks_that_become_large() {
    let said_of = |blocks: &[String], nodes: &[String]| {
        let text = of_blocks(blocks, nodes);
        assert!(text.len() < 1 << 20);
        said(&refused(&text))
    };
    let block =
        |name: &str, nodes: &str| format!("\"{name}\": {{ \"arguments\": {{ \"a\": 0 }}, \"nodes\": [{nodes}] }}");
    let uses = |of: &str, more: &str| format!("{{ \"name\": \"u\", \"block\": \"{of}\"{more} }}");
    let first = |of: &str, more: &str| [uses(of, &format!(", \"inputs\": \"x\"{more}"))];
    let relu = "{ \"name\": \"r\", \"op\": \"relu\" }";
    let too_large = "error: the network is too large with its blocks written out";
    // Repeats in each other, and one large one.
    let nested = ["abcdef", "bcdefg"].map(|letters| letters.chars().map(String::from).collect::<Vec<_>>());
    let mut blocks: Vec<String> =
        nested[0].iter().zip(&nested[1]).map(|(name, inner)| block(name, &uses(inner, ", \"repeat\": 1000"))).collect();
    blocks.push(block("g", relu));
    assert!(said_of(&blocks, &first("a", "")).contains(too_large));
    assert!(said_of(&[block("g", relu)], &first("g", ", \"repeat\": 2147483647")).contains(too_large));
    // Lists that double from block to block, of which no node makes anything.
    let doubling = |i: usize| block(&format!("b{i}"), &uses(&format!("b{}", i + 1), ", \"a\": [\"$a\", \"$a\"]"));
    let mut blocks: Vec<String> = (0..15).map(doubling).collect();
    blocks.push(block("b15", relu));
    let ones = format!(", \"a\": [{}]", vec!["1"; 1000].join(", "));
    assert!(said_of(&blocks, &first("b0", &ones)).contains(too_large));
    // A large argument, a large node and many arguments, each in many copies.
    let of_argument = [block("b", "{ \"name\": \"r\", \"op\": \"relu\", \"z\": \"$a\" }")];
    let long = format!(", \"repeat\": 40000, \"a\": \"{}\"", "a".repeat(100_000));
    assert!(said_of(&of_argument, &first("b", &long)).contains(too_large));
    let large =
        [block("b", &format!("{{ \"name\": \"r\", \"op\": \"relu\", \"z\": [{}] }}", vec!["1"; 10_000].join(", ")))];
    assert!(said_of(&large, &first("b", ", \"repeat\": 40000")).contains(too_large));
    let arguments: Vec<String> = (0..10_000).map(|i| format!("\"a{i}\": 0")).collect();
    let many = format!("\"b\": {{ \"arguments\": {{ {} }}, \"nodes\": [{relu}] }}", arguments.join(", "));
    let many_uses: Vec<String> =
        (0..5000).map(|i| format!("{{ \"name\": \"u{i}\", \"block\": \"b\", \"inputs\": \"x\" }}")).collect();
    assert!(said_of(&[many], &many_uses).contains(too_large));
    let inputs: Vec<String> = (0..5000).map(|i| format!("\"i{i}\"")).collect();
    let of_inputs = format!("\"b\": {{ \"inputs\": [{}], \"nodes\": [{relu}] }}", inputs.join(", "));
    let reads = vec!["\"x\""; 5000].join(", ");
    let copies = [format!("{{ \"name\": \"u\", \"block\": \"b\", \"inputs\": [{reads}], \"repeat\": 40000 }}")];
    assert!(said_of(&[of_inputs], &copies).contains(too_large));
}

#[test]
fn blocks_and_formulas_that_are_deep_or_wrong() {
    let block = |i: usize, node: &str| format!("\"b{i}\": {{ \"nodes\": [{node}] }}");
    let inner = |i: usize| block(i, &format!("{{ \"name\": \"u\", \"block\": \"b{}\" }}", i + 1));
    let chain: Vec<String> = (0..10_000).map(inner).collect();
    let uses = |i: usize| format!("{{ \"name\": \"u{i}\", \"block\": \"b{i}\", \"inputs\": \"x\" }}");
    let relu = node("p", "x");
    let text = said(&refused(&of_blocks(&chain, &[uses(0), relu.clone()])));
    assert!(text.contains("error: blocks are too deep in each other"), "{text}");
    // Each is told once, however many uses there are.
    let wrong = ["rely", "$no", "1 *$", "$(", "$$"]
        .map(|op| format!("{{ \"name\": \"r\", \"op\": \"relu\", \"z\": \"{op}\" }}"));
    for wrong in wrong {
        let copies = r#"{ "name": "u", "block": "b0", "inputs": "x", "repeat": 20000 }"#.to_string();
        let diagnostics = refused(&of_blocks(&[block(0, &wrong)], &[copies, relu.clone()]));
        assert_eq!(count(&diagnostics), "1 mistake in hostile.graph.json");
    }
    // Formulas of a megabyte.
    for formula in ["(".repeat(1 << 20), "-".repeat(1 << 20), "1+".repeat(1 << 19), "9".repeat(1 << 20)] {
        let dense = format!("{{ \"name\": \"d\", \"op\": \"dense\", \"inputs\": \"x\", \"units\": \"$a{formula}\" }}");
        assert_eq!(count(&refused(&file(&[dense, relu.clone()]))), "1 mistake in hostile.graph.json");
    }
    // Unknown names among many.
    let sizes: Vec<String> = (0..50_000).map(|i| format!("\"s{i}\": 1")).collect();
    let nodes: Vec<String> = (0..40_000)
        .map(|i| format!("{{ \"name\": \"n{i}\", \"op\": \"dense\", \"inputs\": \"x\", \"units\": \"$z{i}\" }}"))
        .collect();
    let text = file(&nodes).replacen("\"inputs\"", &format!("\"sizes\": {{ {} }}, \"inputs\"", sizes.join(", ")), 1);
    assert_eq!(count(&refused(&text)), "40001 mistakes, 39981 more than are shown, in hostile.graph.json");
}

/// As many nodes as there may be, all of blocks, are read as those of a file.
#[test]
fn as_many_nodes_of_blocks_as_there_may_be() {
    let block = "\"b\": { \"nodes\": [{ \"name\": \"r\", \"op\": \"relu\" }] }".to_string();
    let copies = |n: usize| format!("{{ \"name\": \"u\", \"block\": \"b\", \"inputs\": \"x\", \"repeat\": {n} }}");
    // Two inputs, a node and a use a copy, the copies as a whole, and the last node.
    let n = (MAX_NODES - 4) / 2;
    let experiment = parse(&of_blocks(std::slice::from_ref(&block), &[copies(n), node("p", "u")]), Path::new("large"));
    let experiment = experiment.unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert_eq!(summary(&experiment.graph).len(), n + 3);
    let text = said(&refused(&of_blocks(&[block], &[copies(n + 1), node("p", "u")])));
    assert!(text.contains("too large with its blocks written out"), "{text}");
}

#[test]
fn files_of_inputs() {
    let files = |prefix: &str| (0..20_000).map(|i| format!("\"{prefix}{i}\": \"f\"")).collect::<Vec<_>>().join(", ");
    let inputs = (0..20_000).map(|i| format!("\"x{i}\": {{ \"shape\": [\"N\", 4] }}")).collect::<Vec<_>>().join(", ");
    let text = |prefix: &str| {
        format!(
            "{{ \"graphc\": 1, \"inputs\": {{ {inputs} }}, \"nodes\": [{}], \"loss\": {{ \"op\": \"mean_squared_error\", \
             \"prediction\": \"p\", \"target\": \"x0\" }}, \"data\": {{ \"format\": \"idx\", \"train\": {{ {} }} }} }}",
            node("p", "x1"),
            files(prefix)
        )
    };
    let experiment = parse(&text("x"), Path::new("large")).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    assert!(experiment.data.is_some());
    assert_eq!(count(&refused(&text("z"))), "40000 mistakes, 39980 more than are shown, in hostile.graph.json");
}

#[test]
fn nesting_and_size() {
    for text in ["[".repeat(1_000_000), "{\"a\":".repeat(1_000_000), "[".repeat(100_000) + &"]".repeat(100_000)] {
        let label = "expected at most 32 lists and objects in each other";
        assert!(said(&refused(&text)).contains(label));
    }
    let unclosed = format!("{{ \"graphc\": \"{}", "x".repeat(1_000_000));
    assert!(said(&refused(&unclosed)).contains("this string is not closed on its line"));
    let large = " ".repeat(MAX_FILE_BYTES + 1);
    assert_eq!(
        said(&refused(&large)),
        "error: hostile.graph.json is larger than 16 MiB, too large for a graph file\n\n1 mistake in hostile.graph.json"
    );
    assert!(said(&refused(&large[1..])).contains("the file is empty"));
}

/// A million lines in front of a mistake are passed over, not shown.
#[test]
fn many_lines() {
    let text = format!("{}{{ \"a\": 1 }}", "\n".repeat(1_000_000));
    let text = said(&refused(&text));
    assert!(text.contains("\n       --> hostile.graph.json:1000001:3\n"), "{text}");
}

#[test]
fn a_byte_order_mark_in_front_is_passed_over() {
    let text = file(&["{ \"name\": \"p\", \"op\": \"dense\", \"inputs\": \"x\", \"units\": 4 }".to_string()]);
    assert!(parse(&format!("\u{feff}{text}"), Path::new("x")).is_ok());
    // Columns are those that editors show.
    let diagnostics = refused("\u{feff}{ \"graphc\": 2 }");
    assert!(diagnostics.to_string().contains("--> hostile.graph.json:1:13\n"), "{diagnostics}");
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let said = |bytes: &[u8]| said(&parse_bytes(bytes, Path::new("x.graph.json")).expect_err("it is no text"));
    assert_eq!(
        said(b"{\n  \"\xc3\xa4\": \"a\xff\" }\n"),
        "error: this is not UTF-8 text\n --> x.graph.json:2:10\n  |\n2 |   \"\u{e4}\": \"a\u{fffd}\" }\n  |          \
         ^ expected UTF-8, found the byte 0xff\n\n1 mistake in x.graph.json"
    );
    // A character that is cut off by the end, and a surrogate.
    assert!(said(b"{}\xe2\x82").contains(" --> x.graph.json:1:3\n"));
    assert!(said(b"{}\xed\xa0\x80").contains("expected UTF-8, found the byte 0xed"));
    let utf16: Vec<u8> = "\u{feff}{ \"graphc\": 1 }".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(said(&utf16).contains("= help: this looks like UTF-16; save the file as UTF-8"));
    let long = [vec![b'a'; 1_000_000], vec![0x80]].concat();
    assert!(said(&long).contains(" --> x.graph.json:1:1000001\n"));
}

#[test]
fn the_table_of_limits_is_fresh() {
    let path = "../../docs/limits.md";
    const MARK: &str = "<!-- From here on written by the tests of graphc-frontend with GRAPHC_BLESS=1. -->\n";
    let text = std::fs::read_to_string(path).expect("the page");
    let (by_hand, _) = text.split_once(MARK).expect("the mark");
    let expected = format!("{by_hand}{MARK}\n{}\n", limits().trim_end());
    if std::env::var_os("GRAPHC_BLESS").is_some() {
        std::fs::write(path, &expected).expect("a writable page");
    }
    let shipped = std::fs::read_to_string(path).expect("the page");
    assert!(shipped == expected, "{path} is stale; run the tests with GRAPHC_BLESS=1");
}
