//! The recorded cases, all of them: what agrees stays so, and what is open is written down.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

use usher_golden::{Deviations, Report, ask};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// `open.txt` holds for each kind how many cases disagree: neither more nor fewer may, so that a
/// kind that is finished is taken off the list.
#[test]
fn only_what_is_written_down_disagrees() {
    let deviations = Deviations::parse(&read("deviations.txt")).unwrap();
    let mut report = Report::default();
    let mut said = String::new();
    for name in ["policy-cases", "policy-errors", "config-cases", "route-cases"] {
        let file = format!("cases/{name}.json");
        said += &report.take(&file, ask(&file, &read(&file)).unwrap(), &deviations);
    }
    let text = read("open.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let open: BTreeMap<String, usize> = lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(count, kind)| (kind.to_owned(), count.parse().unwrap()))
        .collect();
    assert_eq!(*report.open_kinds(), open, "{said}{}", report.summary());
    assert_eq!(report.opened(), 0, "{said}");
}

/// A deviation that no case needs is not kept.
#[test]
fn every_deviation_is_needed() {
    let text = read("deviations.txt");
    let files = ["policy-cases", "policy-errors", "config-cases", "route-cases"];
    let cases: Vec<_> = files
        .iter()
        .flat_map(|name| {
            let file = format!("cases/{name}.json");
            ask(&file, &read(&file)).unwrap()
        })
        .filter(|case| !case.agrees())
        .collect();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let one = Deviations::parse(line).unwrap();
        assert!(cases.iter().any(|case| one.why(case).is_some()), "no case needs: {line}");
    }
}
