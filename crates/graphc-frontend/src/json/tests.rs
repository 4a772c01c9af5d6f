use super::*;
use proptest::prelude::*;
use std::path::Path;

/// The parsed text, or the label of what stopped it.
fn read(text: &str) -> Result<JsonValue, String> {
    let mut diagnostics = Diagnostics::new(Path::new("x"), text);
    let json = parse(text, &mut diagnostics);
    match (json, diagnostics.sorted().first()) {
        (Some(json), None) => Ok(json.value),
        (_, Some(diagnostic)) => Err(diagnostic.label.clone()),
        (None, None) => panic!("{text:?} is refused without a reason"),
    }
}

/// The same as another parser sees it; of a number only that it is one.
fn is_same(ours: &JsonValue, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (JsonValue::Null, serde_json::Value::Null) => true,
        (JsonValue::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (JsonValue::Number(a), serde_json::Value::Number(b)) => a.parse().ok() == b.as_f64(),
        (JsonValue::String(a), serde_json::Value::String(b)) => a == b,
        (JsonValue::Array(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(&a.value, b))
        }
        (JsonValue::Object(a), serde_json::Value::Object(b)) => {
            let same = |member: &Member| b.get(&member.key.value).is_some_and(|b| is_same(&member.value.value, b));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => false,
    }
}

/// `serde_json` is strict, but takes a field twice and leaves numbers beyond `f64` and nesting to its own limits.
fn agrees(text: &str) -> Result<(), String> {
    match (read(text), serde_json::from_str::<serde_json::Value>(text)) {
        (Ok(ours), Ok(theirs)) if is_same(&ours, &theirs) => Ok(()),
        (Ok(_), Err(error)) if error.to_string().contains("number out of range") => Ok(()),
        (Err(label), Ok(_)) if label == "again here" || label.contains("in each other") => Ok(()),
        (Err(_), Err(_)) => Ok(()),
        (ours, theirs) => Err(format!("{text:?}: ours {ours:?}, theirs {theirs:?}")),
    }
}

/// All of them are refused, by another strict parser, too.
#[track_caller]
fn check_refused(cases: &[(&str, &str)]) {
    for (text, label) in cases {
        assert_eq!(read(text), Err(label.to_string()), "{text:?}");
        agrees(text).unwrap();
    }
}

#[test]
fn every_rule_of_structure() {
    check_refused(&[
        ("", "expected a JSON object"),
        (" \t\r\n", "expected a JSON object"),
        ("\u{b}1", "expected a value, found U+000B"),
        ("\u{a0}1", "expected a value, found U+00A0"),
        ("\u{feff}1", "expected a value, found U+FEFF"),
        ("{\u{feff}}", "expected the name of a field in double quotes, found U+FEFF"),
        ("1 2", "expected the end of the file"),
        ("[] // end", "comments are not allowed"),
        ("[/* one */1]", "comments are not allowed"),
        ("[1,]", "trailing commas are not allowed"),
        ("{\"a\":1,}", "trailing commas are not allowed"),
        ("[,]", "expected a value"),
        ("[1,,2]", "expected a value"),
        ("[1 2]", "expected `,` or `]`"),
        ("{\"a\":1 \"b\":2}", "expected `,` or `}`"),
        ("[1", "this list is not closed"),
        ("[1,", "this list is not closed"),
        ("{", "this object is not closed"),
        ("[1}", "expected `,` or `]`"),
        ("{\"a\" 1}", "expected `:` after the name of a field"),
        ("{\"a\":}", "expected a value"),
        ("{\"a\"", "expected `:` after the name of a field"),
        ("{a:1}", "expected the name of a field in double quotes"),
        ("{1:1}", "expected the name of a field in double quotes"),
        ("'a'", "strings stand in double quotes"),
        ("True", "expected a value; text stands in double quotes"),
        ("nulls", "expected a value; text stands in double quotes"),
        ("NaN", "JSON has no infinite numbers and no NaN"),
        ("Infinity", "JSON has no infinite numbers and no NaN"),
        ("-Infinity", "JSON has no infinite numbers and no NaN"),
        ("{\"a\":1,\"\\u0061\":2}", "again here"),
    ]);
}

#[test]
fn every_rule_of_numbers() {
    check_refused(&[
        ("01", "a number has no leading zeros"),
        ("-00", "a number has no leading zeros"),
        ("+1", "expected a value"),
        ("-", "expected a digit"),
        (".5", "expected a value"),
        ("1.", "expected a digit behind the point"),
        ("1.e3", "expected a digit behind the point"),
        ("1e", "expected a digit of the exponent"),
        ("1e+", "expected a digit of the exponent"),
        ("0x10", "expected the end of the number"),
        ("1_000", "expected the end of the number"),
        ("1.2.3", "expected the end of the number"),
        ("1f", "expected the end of the number"),
    ]);
    for text in ["0", "-0", "0.0e-0", "10E+5", "1e400", "-1.5", "123456789012345678901234567890"] {
        assert_eq!(read(text), Ok(JsonValue::Number(text.to_string())));
    }
}

#[test]
fn every_rule_of_strings() {
    check_refused(&[
        ("\"a", "this string is not closed on its line"),
        ("\"a\nb\"", "this string is not closed on its line"),
        ("\"a\tb\"", "a control character is written as an escape, here \\u0009"),
        ("\"a\u{1b}b\"", "a control character is written as an escape, here \\u001b"),
        ("\"a\u{0}b\"", "a control character is written as an escape, here \\u0000"),
        (r#""\x41""#, r#"expected one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#),
        (r#""\'""#, r#"expected one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#),
        (r#""\"#, r#"expected one of the escapes \" \\ \/ \b \f \n \r \t \uXXXX"#),
        (r#""\u12""#, "expected four hexadecimal digits behind `\\u`"),
        (r#""\u12é4""#, "expected four hexadecimal digits behind `\\u`"),
        (r#""\u+123""#, "expected four hexadecimal digits behind `\\u`"),
        (r#""\ud800""#, "half of a surrogate pair is no character"),
        (r#""\ud800\u0041""#, "half of a surrogate pair is no character"),
        (r#""\udc00\ud800""#, "half of a surrogate pair is no character"),
    ]);
    let string = |text: &str| Ok(JsonValue::String(text.to_string()));
    assert_eq!(read(r#""\ud83d\ude00\u00e9\/\"\\\b\f\n\r\t""#), string("😀é/\"\\\u{8}\u{c}\n\r\t"));
    assert_eq!(read("\"\u{7f}\u{202e}\u{feff}\""), string("\u{7f}\u{202e}\u{feff}"));
}

#[test]
fn nesting_and_values_are_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(MAX_NESTING)).is_ok());
    let too_deep = "expected at most 32 lists and objects in each other".to_string();
    assert_eq!(read(&nested(MAX_NESTING + 1)), Err(too_deep.clone()));
    assert_eq!(read(&"{\"a\":".repeat(1_000_000)), Err(too_deep));
    let list = |n_items: usize| format!("[{}0]", "0,".repeat(n_items - 1));
    assert!(read(&list(MAX_VALUES - 1)).is_ok());
    assert_eq!(read(&list(MAX_VALUES)), Err("expected at most 1048576 JSON values".to_string()));
}

#[test]
fn places_are_those_of_the_text() {
    let text = " { \"ä\" : [ 1.5 , \"b\\n\" ] } ";
    let json = parse(text, &mut Diagnostics::new(Path::new("x"), text)).unwrap();
    let JsonValue::Object(members) = &json.value else { panic!() };
    let JsonValue::Array(items) = &members[0].value.value else { panic!() };
    let spans = [&json.span, &members[0].key.span, &members[0].value.span, &items[0].span, &items[1].span];
    let texts = spans.map(|span| &text[span.clone()]);
    assert_eq!(texts, ["{ \"ä\" : [ 1.5 , \"b\\n\" ] }", "\"ä\"", "[ 1.5 , \"b\\n\" ]", "1.5", "\"b\\n\""]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Pieces of JSON in any order: both parsers accept the same, with the same values.
    #[test]
    fn accepts_what_another_strict_parser_accepts(pieces in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\"", "\"a\":", "0", "-", "1", ".", "e", "+", "true", "null",
        "\\", "\\u", "\\n", "d83d", "\\ude00", "\\ud83d", " ", "\n", "\u{c}", "\u{1}", "\u{feff}", "/*", "NaN", "é",
        "_",
    ]), 0..12)) {
        let text = pieces.concat();
        prop_assert_eq!(agrees(&text), Ok(()));
        let inside = format!("[1,{{\"k\":{text}}},\"{text}\"]");
        prop_assert_eq!(agrees(&inside), Ok(()));
    }
}
