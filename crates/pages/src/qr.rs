//! Codes for a phone's camera.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The quiet zone around a code, in squares (ISO/IEC 18004).
const QUIET: usize = 4;

fn coded(text: &str) -> Option<(usize, Vec<Color>)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    Some((code.width(), code.to_colors()))
}

/// A text as squares: one path of an SVG, and its size with the quiet zone. Empty for a text that
/// is longer than any code holds.
pub(crate) fn path(text: &str) -> (String, usize) {
    let Some((width, colors)) = coded(text) else { return (String::new(), 0) };
    let mut path = String::new();
    for (at, color) in colors.iter().enumerate() {
        if *color == Color::Dark {
            let (x, y) = (at % width + QUIET, at / width + QUIET);
            let _written = write!(path, "M{x} {y}h1v1h-1z"); // a String takes everything
        }
    }
    (path, width + 2 * QUIET)
}

/// A text as a code of half blocks for a terminal, light on dark; empty for one that is too long.
pub fn qr_text(text: &str) -> String {
    let Some((width, colors)) = coded(text) else { return String::new() };
    let size = width + 2 * QUIET;
    let is_dark = |x: usize, y: usize| {
        let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
        inside && colors.get((y - QUIET) * width + (x - QUIET)) == Some(&Color::Dark)
    };
    let mut lines = String::new();
    for y in (0..size).step_by(2) {
        for x in 0..size {
            lines.push(match (is_dark(x, y), y + 1 >= size || is_dark(x, y + 1)) {
                (true, true) => ' ',
                (true, false) => '▄',
                (false, true) => '▀',
                (false, false) => '█',
            });
        }
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{path, qr_text};

    #[test]
    fn a_code_has_a_quiet_zone_and_no_text_is_too_long_to_do_without() {
        let code = qr_text("https://nas.local/.pomerium/trust");
        let lines: Vec<&str> = code.lines().collect();
        assert_eq!(lines.len(), (29 + 8_usize).div_ceil(2));
        assert!(lines.iter().all(|line| line.chars().count() == 29 + 8));
        assert_eq!(lines[0], "█".repeat(37), "all light");
        assert_eq!(&lines[2].chars().take(12).collect::<String>(), "████ ▄▄▄▄▄ █");
        assert_eq!((path(&"x".repeat(5000)).1, qr_text(&"x".repeat(5000)).len()), (0, 0));
    }
}
