use proptest::prelude::*;

use super::{Kind, Node, Style, parse};
use crate::problem::{Place, Problem};

/// The tree as JSON-like text, so that tables stay readable. `'` marks quoted scalars.
fn show(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar { text, style: Style::Plain } => text.to_string(),
        Kind::Scalar { text, style: Style::Quoted } => format!("'{text}'"),
        Kind::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|e| format!("{}: {}", e.key, show(&e.value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

fn read(text: &str) -> String {
    match parse(text).clean() {
        Ok(node) => show(&node),
        Err(problems) => {
            let lines = problems.iter().map(|p| format!("{} {}", p.code, p.what));
            lines.collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn shapes() {
    for (given, expected, why) in [
        ("", "", "an empty file is a null"),
        ("# only words\n", "", "so is one of comments"),
        ("---\na: 1\n", "{a: 1}", "a marked document"),
        ("---\na: 1\n...\n", "{a: 1}", "and its marked end"),
        ("\u{feff}a: 1\n", "{a: 1}", "a byte order mark"),
        ("a: 1\r\nb:\r\n  - x\r\n", "{a: 1, b: [x]}", "lines of Windows"),
        (r#"{"a": [1, "b"], "c": null}"#, "{a: [1, 'b'], c: null}", "JSON"),
        ("{\n\t\"a\": 1\n}", "{a: 1}", "JSON with tabs"),
        ("a: 0123\nb: 1e3\nc: yes", "{a: 0123, b: 1e3, c: yes}", "text stays as written"),
        ("a: 'true'\nb: |\n  x\n  y\n", "{a: 'true', b: 'x\ny\n'}", "quoted and block"),
        ("a: !!str 5", "{a: '5'}", "a tag can say text"),
        ("a:\nb: ~", "{a: , b: ~}", "nulls, written or not"),
        ("a: &x {k: v}\nb: *x", "{a: {k: v}, b: {k: v}}", "an alias is a copy"),
        (
            "d: &d {a: 1, b: 2}\ne:\n  <<: *d\n  B: 3",
            "{d: {a: 1, b: 2}, e: {B: 3, a: 1}}",
            "own keys win",
        ),
        (
            "x: &x {a: 1}\ny: &y {a: 2, b: 2}\nz:\n  <<: [*x, *y]",
            "{x: {a: 1}, y: {a: 2, b: 2}, z: {a: 1, b: 2}}",
            "the first merged wins",
        ),
        ("'<<': {a: 1}", "{<<: {a: 1}}", "quoted, it is a key like any other"),
    ] {
        assert_eq!(read(given), expected, "{given:?}: {why}");
    }
}

#[test]
fn refusals() {
    for (given, expected, why) in [
        ("a: 1\na: 2", "U104 the key `a` is given twice", "twice"),
        (
            "a: 1\nA: 2\nb: 1\nb: 2",
            "U104 the key `A` is given twice; U104 the key `b` is given twice",
            "all of them",
        ),
        (
            "a: 1\n---\nb: 1",
            "U103 a second document begins here, and only the first would be read",
            "ignored in Pomerium",
        ),
        ("a: &x [*x]", "U102 this alias stands inside the value that it names", "a circle"),
        ("a: !secret x", "U102 the tag `!secret` means nothing in a config", "foreign tag"),
        ("? [a]\n: 1", "U102 a key is a word, not a list or map", "list as key"),
        ("<<: x", "U102 `<<` merges maps, and this is none", "merging text"),
    ] {
        assert_eq!(read(given), expected, "{given:?}: {why}");
    }
    for given in ["a: [", "a: 'b", "a:\n\t- b", "a: *nothing", "a: b: c", "\"\\ud800\""] {
        assert!(read(given).starts_with("U101 this is not YAML: "), "{given:?}: {}", read(given));
    }
}

#[test]
fn bombs_do_not_grow() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..20 {
        let row = vec![format!("*a{}", i - 1); 9].join(", ");
        laughs += &format!("a{i}: &a{i} [{row}]\n");
    }
    let mut ladder = String::from("a0: &a0 [x]\n");
    for i in 1..200 {
        ladder += &format!("a{i}: &a{i} [*a{}]\n", i - 1);
    }
    let wide = format!("a: &a '{}'\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(100));
    for (given, why) in [
        (laughs, "a billion laughs"),
        (ladder, "deep by aliases"),
        ("[".repeat(100), "deep"),
        ("- ".repeat(100), "deep in blocks"),
        (wide, "one long text many times"),
    ] {
        assert!(read(&given).starts_with("U101 "), "{why}: {}", read(&given));
    }
    assert!(read(&" ".repeat(super::MAX_BYTES + 1)).starts_with("U100 "));
}

#[test]
fn every_node_knows_its_place() {
    let text = "ä: 1\nroutes:\n  - from: 'https://b'\n    to: [x, \"y\"]\n  - <<: {k: v}\nlast:\n";
    let root = parse(text).clean().unwrap();
    let at = |node: &Node| &text[node.span.clone()];
    let routes = root.get("routes").unwrap();
    assert_eq!(at(routes), "- from: 'https://b'\n    to: [x, \"y\"]\n  - <<: {k: v}");
    let Kind::List(items) = &routes.kind else { panic!("a list") };
    assert_eq!(at(items[0].get("from").unwrap()), "'https://b'");
    assert_eq!(at(items[0].get("to").unwrap()), "[x, \"y\"]");
    assert_eq!(at(root.get("last").unwrap()), "last", "nothing was written: the key");
    let Kind::Map(entries) = &root.kind else { panic!("a map") };
    assert_eq!(&text[entries[0].key_span.clone()], "ä");

    let twice = "\u{feff}é: 1\nb: 2\nÉ: 1\nB: 3\n";
    let problems = parse(twice).clean().unwrap_err();
    let place = |problem: &Problem| {
        let Place::File(span) = &problem.at else { panic!("{problem:?}") };
        twice[span.clone()].to_owned()
    };
    assert_eq!(place(&problems[0]), "B");
    assert_eq!(
        &twice[problems[0].also.as_ref().unwrap().0.clone()],
        "b",
        "a byte order mark counts three"
    );
}

proptest! {
    #[test]
    fn never_panics(text in "\\PC*|[-:{}\\[\\]&*!|>'\"%#,? \t\n\r<a\u{feff}ä]{0,60}") {
        inside(&parse(&text).root, &text);
    }
}

/// Every span can be cut out of the text.
fn inside(node: &Node, text: &str) {
    assert!(text.get(node.span.clone()).is_some(), "{:?} of {text:?}", node.span);
    match &node.kind {
        Kind::Scalar { .. } => {}
        Kind::List(items) => items.iter().for_each(|item| inside(item, text)),
        Kind::Map(entries) => entries.iter().for_each(|entry| {
            assert!(text.get(entry.key_span.clone()).is_some());
            inside(&entry.value, text);
        }),
    }
}
