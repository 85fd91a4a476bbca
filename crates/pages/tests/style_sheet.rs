//! The style sheet is read as text: contrast is computed, and old browsers are thought of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};

const CSS: &str = include_str!("../assets/usher.css");

const TEMPLATES: &[&str] = &[
    include_str!("../templates/account.html"),
    include_str!("../templates/base.html"),
    include_str!("../templates/code.html"),
    include_str!("../templates/contact.html"),
    include_str!("../templates/welcome.html"),
    include_str!("../templates/providers.html"),
    include_str!("../templates/hidden.html"),
    include_str!("../templates/going_on.html"),
    include_str!("../templates/seat.html"),
    include_str!("../templates/left_seat.html"),
    include_str!("../templates/starting.html"),
    include_str!("../templates/identity.html"),
    include_str!("../templates/no_session.html"),
    include_str!("../templates/people.html"),
    include_str!("../templates/portal.html"),
    include_str!("../templates/notice.html"),
    include_str!("../templates/script.html"),
    include_str!("../templates/sign_in.html"),
    include_str!("../templates/program.html"),
    include_str!("../templates/sign_out_confirm.html"),
    include_str!("../templates/signed_out.html"),
];

type Palette = BTreeMap<&'static str, &'static str>;

/// The custom properties of the n-th `:root` block: 0 is dark, 1 light.
fn palette(n: usize) -> Palette {
    let block = CSS.split(":root {").nth(n + 1).unwrap().split('}').next().unwrap();
    let property = |line: &'static str| line.trim().strip_suffix(';')?.split_once(": ");
    block.lines().filter_map(property).collect()
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let hex = colour.strip_prefix('#').unwrap();
    assert_eq!(hex.len(), 6, "{colour}");
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn contrast(one: &str, other: &str) -> f64 {
    let [a, b] = [one, other].map(luminance);
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// `rgba(r, g, b, a)` laid over a colour.
fn over(glow: &str, ground: &str) -> String {
    let inside = glow.strip_prefix("rgba(").unwrap().strip_suffix(')').unwrap();
    let parts: Vec<f64> = inside.split(", ").map(|part| part.parse().unwrap()).collect();
    let below = |at: usize| f64::from(u8::from_str_radix(&ground[at..at + 2], 16).unwrap());
    let mixed = [1, 3, 5].map(|at| parts[at / 2] * parts[3] + below(at) * (1.0 - parts[3]));
    format!("#{:02x}{:02x}{:02x}", mixed[0] as u8, mixed[1] as u8, mixed[2] as u8)
}

#[test]
fn the_arithmetic() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.01);
    assert_eq!(over("rgba(255, 0, 0, 0.5)", "#000000"), "#7f0000");
}

#[test]
fn text_reads_and_edges_show_in_dark_and_light() {
    for (n, scheme) in ["dark", "light"].into_iter().enumerate() {
        let palette = palette(n);
        let lit = over(palette["--glow"], palette["--seat"]);
        let colour = |name: &str| match name {
            "lit seat" => lit.clone(),
            name => palette[format!("--{name}").as_str()].to_owned(),
        };
        for (upper, lower, least, why) in [
            ("ink", "seat", 7.0, "text (AAA: read from three metres)"),
            ("ink", "lit seat", 7.0, "headings in the light of the lamp"),
            ("soft", "seat", 4.5, "quiet text"),
            ("soft", "lit seat", 4.5, "status and lead, in the light of the lamp"),
            ("soft", "stub", 4.5, "the receipt"),
            ("ink", "stub", 7.0, "the request id"),
            ("soft", "hall", 4.5, "the name in the aisle"),
            ("soft", "hall-lit", 4.5, "the same near the lamp"),
            ("soft", "hall-far", 4.5, "the same at the edge of the hall"),
            ("ink", "field", 7.0, "what one types, reasons and code"),
            ("link", "seat", 4.5, "links"),
            ("link", "lit seat", 4.5, "the number of the status"),
            ("on-torch", "torch", 4.5, "the button"),
            ("on-torch", "torch-warm", 4.5, "the button under a pointer"),
            ("alarm", "alarm-ground", 4.5, "what went wrong"),
            ("edge", "seat", 3.0, "the edge of a field (1.4.11)"),
            ("edge", "field", 3.0, "the same from inside"),
            ("torch", "seat", 3.0, "the button against its ground"),
            ("alarm-edge", "seat", 3.0, "the edge of an alert"),
            ("ring", "seat", 3.0, "focus (2.4.13)"),
            ("ring", "lit seat", 3.0, "focus near the lamp"),
        ] {
            let found = contrast(&colour(upper), &colour(lower));
            assert!(found >= least, "{scheme}: {upper} on {lower} {found:.2} < {least}: {why}");
        }
    }
}

#[test]
fn the_two_palettes_name_the_same_things() {
    let [dark, light] = [0, 1].map(|n| palette(n).into_keys().collect::<BTreeSet<_>>());
    assert_eq!(dark, light);
    for name in dark {
        assert!(CSS.contains(&format!("var({name})")), "{name} is not used");
    }
}

/// A browser without custom properties takes the declaration before: the dark colour.
#[test]
fn every_variable_follows_its_plain_value() {
    let dark = palette(0);
    let lines: Vec<_> = CSS.lines().map(str::trim).collect();
    let mut variables = 0;
    for pair in lines.windows(2) {
        let Some((property, value)) = pair[1].split_once(": ") else { continue };
        if !value.contains("var(") {
            continue;
        }
        variables += 1;
        let plain: String = dark
            .iter()
            .fold(value.to_owned(), |v, (name, plain)| v.replace(&format!("var({name})"), plain));
        assert_eq!(pair[0], format!("{property}: {plain}"), "before {}", pair[1]);
    }
    assert!(variables > 30, "{variables}");
}

#[test]
fn every_clamp_follows_a_plain_length() {
    let lines: Vec<_> = CSS.lines().map(str::trim).collect();
    for pair in lines.windows(2).filter(|pair| pair[1].contains(": clamp(")) {
        let property = pair[1].split_once(": ").unwrap().0;
        assert!(pair[0].starts_with(&format!("{property}: ")), "before {}", pair[1]);
        assert!(!pair[0].contains('('), "{}", pair[0]);
    }
}

#[test]
fn nothing_that_an_old_television_cannot_read() {
    for (absent, why) in [
        (":has(", "Chromium 105"),
        (":is(", "Chromium 88"),
        (":where(", "Chromium 88"),
        ("&", "nesting, Chromium 112"),
        ("@layer", "Chromium 99"),
        ("@container", "Chromium 105"),
        ("inset:", "Chromium 87"),
        ("gap:", "in flex boxes Chromium 84"),
        ("display: grid", "Chromium 57"),
        ("min(", "Chromium 79, without a plain value before"),
        ("@import", "a request more"),
        ("url(h", "nothing from elsewhere"),
        ("url(\"h", "nothing from elsewhere"),
        ("url(\"/", "names carry hashes that this file can't know"),
        ("!important", "there is no fight to win"),
    ] {
        assert!(!CSS.contains(absent), "{absent}: {why}");
    }
    assert!(CSS.len() < 16 * 1024, "{} bytes on the way to the first paint", CSS.len());
}

/// Left and right are where a line begins and ends in some languages only: but for what is the same
/// from both sides.
#[test]
fn lines_may_begin_on_the_right() {
    let symmetric = ["left: 50%", "left: 0", "right: 0", "left: 1.1rem", "right: 1.1rem"];
    let centred = ["margin-left: -45rem", "margin-left: -2.5rem"]; // half of the width, after 50%
    for line in CSS.lines().map(|line| line.trim().trim_end_matches(';')) {
        let Some((property, value)) = line.split_once(": ") else { continue };
        let sided = |text: &str| ["left", "right"].iter().any(|side| text.contains(side));
        let masked = property.ends_with("mask"); // the tear, drawn from both sides
        let is_sided = sided(property) || property == "text-align" && sided(value);
        let known = symmetric.contains(&line) || centred.contains(&line);
        assert!(!is_sided || masked || known, "{line}: say start or end");
        if let Some(after) =
            property.strip_suffix("-inline-end").or(property.strip_suffix("-inline-start"))
        {
            let end = if property.ends_with("end") { "end" } else { "start" };
            let older = format!("-webkit-{after}-{end}: {value};");
            assert!(CSS.contains(&older), "{line}: an old television knows {older}");
        }
    }
    for one in symmetric.iter().filter(|one| one.starts_with("left") && !one.ends_with('%')) {
        let other = one.replace("left", "right");
        assert_eq!(
            CSS.matches(&format!(" {one};")).count(),
            CSS.matches(&format!(" {other};")).count()
        );
    }
}

#[test]
fn readers_who_set_something_are_heard() {
    for query in [
        "(prefers-color-scheme: light)",
        "(prefers-reduced-motion: no-preference)",
        "(forced-colors: active)",
    ] {
        assert!(CSS.contains(&format!("@media {query}")), "{query}");
    }
    let (before, _) = CSS.split_once("@media (prefers-reduced-motion").unwrap();
    assert!(!before.contains("animation:") && !before.contains("transition:"), "motion unasked");
}

/// The rules choose an operator's colours so that they stand out from these.
#[test]
fn the_ground_that_an_operator_s_colours_stand_on_is_ours() {
    assert_eq!([palette(0)["--seat"], palette(1)["--seat"]], ["#251e2f", "#fffdf9"]);
}

#[test]
fn classes_are_used_and_styled() {
    let quoted = |template: &'static str| {
        template.split("class=\"").skip(1).map(|rest| rest.split('"').next().unwrap())
    };
    let mut used: BTreeSet<&str> = TEMPLATES
        .iter()
        .flat_map(|t| quoted(t))
        .flat_map(|value| {
            value.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty())
        })
        .collect();
    // `class="seat{% block seat %}{% endblock %}"`: the words of the template language.
    for word in ["block", "endblock"] {
        used.remove(word);
    }
    used.extend(["torn", "wide", "logo"]); // an operator's own: `branded`
    let styled: BTreeSet<&str> = CSS
        .lines()
        .filter(|line| line.ends_with('{') || line.ends_with(','))
        .filter(|line| !line.contains('(') || line.contains(":not("))
        .flat_map(|line| line.split('.').skip(1))
        .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap())
        .collect();
    assert_eq!(used, styled);
}
