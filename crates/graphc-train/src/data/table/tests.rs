use super::*;

fn field(name: &str, content: FieldContent) -> TableField {
    TableField { name: name.into(), content, unknown: Unknown::Refuse, missing: Missing::Refuse }
}

fn table(fields: &[TableField]) -> Table {
    Table { path: "t.csv".into(), delimiter: b',', has_header: true, columns: vec![("x".into(), fields.to_vec())] }
}

fn read_text(table: &Table, text: &str) -> Result<Vec<TableColumn>, String> {
    let rows = read_source(table, Box::new(text.as_bytes()), None, &[]).map_err(|error| error.to_string())?;
    Ok(rows.inputs.into_iter().flat_map(|(_, columns)| columns).collect())
}

/// The elements of one column, fitted on the rows of `train`.
fn elements(field: TableField, text: &str, train: &[u32]) -> Result<Vec<f64>, String> {
    let columns = read_text(&table(&[field]), text)?;
    let fit = columns[0].fit(train).map_err(|error| error.to_string())?;
    let width = columns[0].width(&fit);
    let mut elements = vec![9.0; columns[0].lines.len() * width];
    columns[0].write(&fit, &mut elements, width).map_err(|error| error.to_string())?;
    Ok(elements)
}

fn numbers(text: &str) -> Result<Vec<f64>, String> {
    elements(field("a", FieldContent::Numbers), text, &[0])
}

#[test]
fn numbers_are_read() {
    assert_eq!(numbers("a,b\n1,x\n -2.5 ,y\n1e3,z\n").unwrap(), [1.0, -2.5, 1000.0]);
    assert_eq!(numbers("b,a\r\nx,1\r\ny,\"2\"\r\n").unwrap(), [1.0, 2.0], "RFC 4180");
    assert_eq!(numbers("\u{feff}a\n1").unwrap(), [1.0], "a byte order mark, and no last line break");
    assert_eq!(numbers("a,b\n1,\"x,\ny \"\"z\"\"\"\n2,\n").unwrap(), [1.0, 2.0], "quoted cells");
    assert_eq!(numbers("a\n1\n\n2\n").unwrap(), [1.0, 2.0], "empty lines are none");
}

#[test]
fn places_of_mistakes() {
    let message = |text: &str| numbers(text).unwrap_err();
    assert_eq!(message("a,b\n1,2\n3\n"), "t.csv: line 3: 1 cell, expected 2");
    assert_eq!(message("a,b\n1,\"2\n\"\n3,4,5\n"), "t.csv: line 4: 3 cells, expected 2");
    assert_eq!(message("a\n1\nthree\n"), "t.csv: line 3: column `a`: `three` is no number");
    assert_eq!(message("a\n1\ninf\n"), "t.csv: line 3: column `a`: `inf` is no number");
    assert_eq!(message("a\n1e999\n"), "t.csv: line 2: column `a`: `1e999` is no number");
    for missing in ["", "NA", "NaN", "null", "?", " n/a "] {
        assert_eq!(message(&format!("a,b\n1,2\n{missing},2\n")), "t.csv: line 3: column `a`: the value is missing");
    }
    assert_eq!(message("a\n\x1b[31m\n"), "t.csv: line 2: column `a`: `\\u{1b}[31m` is no number");
    assert_eq!(message(""), "t.csv: the table is empty");
    assert_eq!(message("a\n"), "t.csv: the table has no rows");
    let latin1 = read_source(&table(&[field("a", FieldContent::Numbers)]), Box::new(&b"a\n\xe4\n"[..]), None, &[]);
    assert_eq!(latin1.err().unwrap().to_string(), "t.csv: line 2: column `a`: the text is not UTF-8");
}

/// What has not all columns may be any file, of which nothing is shown but a name that resembles the one asked for.
#[test]
fn missing_columns() {
    let message = |text: &str| numbers(text).unwrap_err();
    assert_eq!(message("b,secret\n1,2\n"), "t.csv: no column `a` among the 2 columns of the first line");
    assert_eq!(message("A,b\n1,2\n"), "t.csv: no column `a` among the 2 columns of the first line; did you mean `A`?");
    assert_eq!(message("a,a\n1,2\n"), "t.csv: two columns are called `a`");
    let unnamed = Table { has_header: false, ..table(&[field("2", FieldContent::Numbers)]) };
    assert_eq!(
        read_text(&unnamed, "1,2\n").unwrap_err(),
        "t.csv: no column `2`: without a header, 2 columns are called 0 to 1"
    );
    let first = Table { has_header: false, ..table(&[field("1", FieldContent::Numbers)]) };
    assert_eq!(read_text(&first, "1,2\n3,4\n").unwrap()[0].number(1), Some(4.0));
}

#[test]
fn optional_inputs() {
    let mut both = table(&[field("a", FieldContent::Numbers)]);
    both.columns.push(("y".into(), vec![field("b", FieldContent::Numbers)]));
    let optional = ["y".to_string()];
    let read = |text: &'static str| read_source(&both, Box::new(text.as_bytes()), Some(1), &optional).unwrap();
    assert_eq!(read("a\n1\n2\n").inputs.len(), 1);
    let rows = read("a,b\n1,2\n3,4\n");
    assert_eq!((rows.inputs.len(), rows.n_rows), (2, 1));
}

#[test]
fn categories_in_the_order_of_their_names() {
    let text = "a\nred\ngreen\nblue\nred\n";
    let numbered = field("a", FieldContent::Numbered);
    assert_eq!(elements(numbered.clone(), text, &[0, 1, 2, 3]).unwrap(), [2.0, 1.0, 0.0, 2.0]);
    let one_hot = field("a", FieldContent::OneHot);
    assert_eq!(elements(one_hot.clone(), text, &[0, 1, 2]).unwrap(), [0., 0., 1., 0., 1., 0., 1., 0., 0., 0., 0., 1.]);
    // Integers in the order of integers.
    assert_eq!(elements(numbered.clone(), "a\n10\n9\n-1\n", &[0, 1, 2]).unwrap(), [2.0, 1.0, 0.0]);
    // A row that is not trained on has a category of its own.
    let unknown = "t.csv: line 4: column `a`: no training sample has the category `blue`";
    assert_eq!(elements(numbered.clone(), text, &[0, 1]).unwrap_err(), unknown);
    let other = TableField { unknown: Unknown::Class, ..numbered };
    assert_eq!(elements(other, text, &[0, 1]).unwrap(), [1.0, 0.0, 2.0, 1.0]);
    let other = TableField { unknown: Unknown::Class, ..one_hot };
    assert_eq!(elements(other, text, &[0, 1]).unwrap()[6..9], [0.0, 0.0, 1.0]);
}

#[test]
fn class_numbers_or_names() {
    let classes = |text: &str| elements(field("a", FieldContent::Classes), text, &[0, 1]);
    assert_eq!(classes("a\n7\n3\n").unwrap(), [7.0, 3.0]);
    assert_eq!(classes("a\nno\nyes\nno\n").unwrap(), [0.0, 1.0, 0.0]);
    assert_eq!(classes("a\n7\nyes\n").unwrap_err(), "t.csv: line 3: column `a`: `yes` is no class number");
    assert_eq!(classes("a\n7\n1.5\n").unwrap_err(), "t.csv: line 3: column `a`: `1.5` is no class number");
}

#[test]
fn what_stands_for_missing_values() {
    let text = "a\n1\n\n2\nNA\n2\n9\n";
    // Rows 1, NA and 2, 2, 9; the last one is not trained on.
    let text = &text.replace("\n\n", "\n?\n");
    let with = |missing: Missing| {
        elements(TableField { missing, ..field("a", FieldContent::Numbers) }, text, &[0, 1, 2, 3, 4])
    };
    let filled = |value: f64| vec![1.0, value, 2.0, value, 2.0, 9.0];
    assert_eq!(with(Missing::Mean).unwrap(), filled(5.0 / 3.0));
    assert_eq!(with(Missing::Median).unwrap(), filled(2.0));
    assert_eq!(with(Missing::MostFrequent).unwrap(), filled(2.0));
    assert_eq!(with(Missing::Number(-1.0)).unwrap(), filled(-1.0));
    let words = |missing: Missing| {
        elements(TableField { missing, ..field("a", FieldContent::Numbered) }, "a\nx\n?\ny\ny\n", &[0, 1, 2, 3])
    };
    assert_eq!(words(Missing::MostFrequent).unwrap(), [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(words(Missing::Category("x".into())).unwrap(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(
        words(Missing::Category("z".into())).unwrap_err(),
        "t.csv: the column `a` has no training sample of the category that stands for a missing value"
    );
    assert_eq!(
        words(Missing::Mean).unwrap_err(),
        "t.csv: the column `a` is a column of categories, so one of them must stand for a missing value"
    );
}
