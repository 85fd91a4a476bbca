//! What was found, for who reads it at three in the morning: the worst first, then what to look at,
//! then what is fine.

use std::io::{self, Write};

use usher_rules::problem::Severity;

use super::Tried;

/// Columns of a line.
const WIDTH: usize = 100;

/// Writes all of it.
///
/// # Errors
///
/// Nobody reads on.
pub fn show(tried: &[Tried], out: &mut impl Write) -> io::Result<()> {
    let of = |severity| {
        let mut all: Vec<_> = tried.iter().filter(|one| one.severity == severity).collect();
        all.sort_by_key(|one| one.code.id);
        all
    };
    for one in of(Some(Severity::Error)).into_iter().chain(of(Some(Severity::Warning))) {
        finding(one, out)?;
    }
    for one in of(None) {
        writeln!(out, "fine     {} {}: {}", one.code.about, one.subject, one.what)?;
    }
    let (errors, warnings) = (of(Some(Severity::Error)).len(), of(Some(Severity::Warning)).len());
    match errors + warnings {
        0 => writeln!(out, "\nAll is well: {} things were tried.", tried.len())?,
        _ => writeln!(out, "\n{} tried: {errors} to mend, {warnings} to look at.", tried.len())?,
    }
    if tried.iter().any(|one| !one.cures.is_empty()) {
        writeln!(out, "`usher doctor --fix` shows what it would change at Jellyfin, and asks.")?;
    }
    Ok(())
}

fn finding(one: &Tried, out: &mut impl Write) -> io::Result<()> {
    let word = one.word();
    writeln!(out, "{word:<8} {}  {}", one.code.id, one.code.title)?;
    labelled("at", &format!("{} {}", one.code.about, one.subject), out)?;
    labelled("seen", &one.what, out)?;
    labelled("means", one.code.means, out)?;
    labelled("cure", &one.help, out)?;
    writeln!(out)
}

/// A label, and text beside it that is broken at blanks.
fn labelled(label: &str, text: &str, out: &mut impl Write) -> io::Result<()> {
    let mut line = format!("  {label:<6}");
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + word.chars().count() >= WIDTH {
            writeln!(out, "{line}")?;
            line = " ".repeat(8);
        }
        line.push(' ');
        line.push_str(word);
        is_empty = false;
    }
    writeln!(out, "{line}")
}
