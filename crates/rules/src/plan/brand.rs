use std::fmt;

use bytes::Bytes;

/// How our own pages look where the config says so (`primary_color`, `logo_url` and their like).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    /// Colours for who has it dark (`darkmode_*`).
    pub dark: Accents,
    /// Colours for who has it light.
    pub light: Accents,
    /// What stands above each page in the place of the lamp (`logo_url`).
    pub logo: Option<Picture>,
    /// What stands in tabs (`favicon_url`).
    pub favicon: Option<Picture>,
    /// What pages of errors begin with (`error_message_first_paragraph`).
    pub first_paragraph: Option<Box<str>>,
}

/// Colours that read well on our pages; what is missing stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accents {
    /// Of buttons and links.
    pub primary: Option<Primary>,
    /// Of the ring around what has the focus.
    pub ring: Option<Rgb>,
}

/// One colour, as each of its uses needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primary {
    /// The ground of a button.
    pub button: Rgb,
    /// The same under a pointer.
    pub button_lit: Rgb,
    /// What stands on it.
    pub on_button: Rgb,
    /// A link's text.
    pub link: Rgb,
}

/// A picture that the config holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its media type.
    pub media_type: &'static str,
    /// What its address has in it: another picture has another one. Made once, with the plan.
    pub tag: Box<str>,
    /// Its octets.
    pub octets: Bytes,
}

/// A colour of sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub [u8; 3]);

/// What contrasts with everything.
const BLACK: Rgb = Rgb([0; 3]);
const WHITE: Rgb = Rgb([255; 3]);

/// Of text, of what is no text, and a little more: some of our grounds are lit (WCAG 2.2, 1.4.3, 1.4.11).
const OF_TEXT: f64 = 5.0;
const OF_EDGES: f64 = 3.5;

/// What pages stand on, as `usher.css` has it: `--seat`.
pub const SEATS: [Rgb; 2] = [Rgb([0x25, 0x1e, 0x2f]), Rgb([0xff, 0xfd, 0xf9])];

impl Rgb {
    /// `#rgb` or `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.trim().strip_prefix('#')?;
        let digits: Vec<u8> =
            digits.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
        match *digits {
            [r, g, b] => Some(Self([r * 17, g * 17, b * 17])),
            [r, s, g, h, b, c] => Some(Self([r * 16 + s, g * 16 + h, b * 16 + c])),
            _ => None,
        }
    }

    /// From 1 to 21 (WCAG 2.2, contrast ratio).
    pub fn contrast(self, other: Self) -> f64 {
        let [a, b] = [self, other].map(Self::luminance);
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|value| match f64::from(value) / 255.0 {
            dark if dark <= 0.04045 => dark / 12.92,
            bright => ((bright + 0.055) / 1.055).powf(2.4),
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Nearer to `other` by so many of sixteen steps.
    fn toward(self, other: Self, steps: u16) -> Self {
        let mut mixed = self.0;
        for (value, end) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*value) * (16 - steps) + u16::from(end) * steps;
            *value = u8::try_from(sum / 16).unwrap_or(end);
        }
        Self(mixed)
    }

    /// The nearest shade that has this contrast with the ground.
    fn readable(self, ground: Self, least: f64) -> Self {
        let end = ground.opposite();
        let shades = (0..=16).map(|steps| self.toward(end, steps));
        shades.into_iter().find(|shade| shade.contrast(ground) >= least).unwrap_or(end)
    }

    /// Black or white, whichever stands out more.
    fn opposite(self) -> Self {
        if self.contrast(BLACK) > self.contrast(WHITE) { BLACK } else { WHITE }
    }
}

impl Primary {
    /// The nearest to a colour that reads well on a ground.
    pub fn on(ground: Rgb, colour: Rgb) -> Self {
        let button = colour.readable(ground, OF_EDGES);
        let on_button = button.opposite();
        let away = if on_button == WHITE { BLACK } else { WHITE };
        let button_lit = button.toward(away, 2);
        Self { button, button_lit, on_button, link: colour.readable(ground, OF_TEXT) }
    }
}

impl Accents {
    /// The nearest to two colours that read well on a ground.
    pub fn on(ground: Rgb, primary: Option<Rgb>, secondary: Option<Rgb>) -> Self {
        Self {
            primary: primary.map(|colour| Primary::on(ground, colour)),
            ring: secondary.or(primary).map(|colour| colour.readable(ground, OF_EDGES)),
        }
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}, {} octets)", self.media_type, self.octets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Accents, Primary, Rgb, SEATS};

    #[test]
    fn colours_are_read() {
        for (text, read) in [
            ("#6f43e7", Some("#6f43e7")),
            ("#FA0", Some("#ffaa00")),
            (" #fa0 ", Some("#ffaa00")),
            ("fa0", None),
            ("#fa", None),
            ("#ggg", None),
            ("#é12", None),
            ("red", None),
            ("#fff;}", None),
        ] {
            let found = Rgb::parse(text).map(|rgb| rgb.to_string());
            assert_eq!(found.as_deref(), read, "{text}");
        }
    }

    /// Whatever the colour, in dark and in light.
    #[test]
    fn every_colour_reads_well_where_it_is_used() {
        let steps = (0..=255).step_by(51);
        let all = steps.clone().flat_map(|r| {
            steps.clone().flat_map(move |g| (0..=255).step_by(51).map(move |b| Rgb([r, g, b])))
        });
        for colour in all {
            for ground in SEATS {
                let Primary { button, button_lit, on_button, link } = Primary::on(ground, colour);
                assert!(button.contrast(ground) >= 3.0, "{colour} {ground}");
                assert!(on_button.contrast(button) >= 4.5, "{colour} {ground}");
                assert!(on_button.contrast(button_lit) >= 4.5, "{colour} {ground}");
                assert!(link.contrast(ground) >= 4.5, "{colour} {ground}");
                let ring = Accents::on(ground, None, Some(colour)).ring.unwrap();
                assert!(ring.contrast(ground) >= 3.0, "{colour} {ground}");
            }
        }
    }
}
