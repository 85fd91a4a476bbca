//! `primary_color`, `logo_url` and their like: how our own pages look.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Compiler, provider::stable_id};
use crate::{
    config::{
        Given,
        keys::{Text, Typed, global},
    },
    plan::{Accents, Brand, Picture, Rgb, SEATS},
};

/// Media types of pictures that browsers show.
const PICTURES: [&str; 7] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/svg+xml",
    "image/x-icon",
    "image/vnd.microsoft.icon",
];

/// Octets of the largest picture.
const LARGEST: usize = 256 * 1024;

impl Compiler<'_> {
    /// `None` where nothing is said, or nothing that can be shown.
    pub(super) fn brand(&mut self) -> Option<Brand> {
        let [dark, light] = SEATS;
        let brand = Brand {
            dark: self.accents(
                dark,
                (&global::DARKMODE_PRIMARY_COLOR, &global::DARKMODE_SECONDARY_COLOR),
            ),
            light: self.accents(light, (&global::PRIMARY_COLOR, &global::SECONDARY_COLOR)),
            logo: self.picture(&global::LOGO_URL),
            favicon: self.picture(&global::FAVICON_URL),
            first_paragraph: self.keys.get(&global::ERROR_FIRST_PARAGRAPH).map(Into::into),
        };
        (brand != Brand::default()).then_some(brand)
    }

    fn accents(
        &mut self,
        ground: Rgb,
        (primary, secondary): (&'static Typed<Text>, &'static Typed<Text>),
    ) -> Accents {
        let [primary_colour, secondary_colour] = [primary, secondary].map(|key| self.colour(key));
        let accents = Accents::on(ground, primary_colour, secondary_colour);
        let link = accents.primary.map(|primary| primary.link);
        for (key, colour, shown) in
            [(primary, primary_colour, link), (secondary, secondary_colour, accents.ring)]
        {
            if let (Some(given), Some(colour), Some(shown)) = (self.keys.given(key), colour, shown)
                && colour != shown
            {
                self.report(given.warning(
                    "U478",
                    format!(
                        "`{}: {}` can hardly be seen on our pages: `{shown}` is shown",
                        given.key.name,
                        given.text()
                    ),
                    format!("write `'{shown}'`, or a colour that stands out from `{ground}`"),
                ));
            }
        }
        accents
    }

    fn colour(&mut self, key: &'static Typed<Text>) -> Option<Rgb> {
        let given = self.keys.given(key)?;
        let colour = Rgb::parse(given.text());
        if colour.is_none() {
            let what = format!("`{}: {}` is no colour: it has no effect", key.name, given.text());
            self.report(given.warning("U477", what, "write it like `'#6f43e7'`, in quotes"));
        }
        colour
    }

    fn picture(&mut self, key: &'static Typed<Text>) -> Option<Picture> {
        let given = self.keys.given(key)?;
        let picture = inline(given);
        if let Err(why) = picture {
            self.report(given.warning(
                "U479",
                format!("`{}` is not shown: {why}", key.name),
                "write the picture itself, `data:image/png;base64,…` (`base64 -w0 FILE` gives what \
                 follows the comma)",
            ));
        }
        picture.ok()
    }
}

/// A picture that stands in the config itself (RFC 2397).
fn inline(given: &Given) -> Result<Picture, &'static str> {
    let rest = given.text().strip_prefix("data:").ok_or(
        "pages of usher show no picture from elsewhere, which would tell who signs in here, and when",
    )?;
    let (kind, octets) = rest.split_once(";base64,").ok_or("it is not in base64")?;
    let kind = PICTURES.into_iter().find(|known| kind.eq_ignore_ascii_case(known));
    let media_type = kind.ok_or("it is no picture that browsers show")?;
    let octets = STANDARD.decode(octets.trim()).map_err(|_| "it is not in base64")?;
    match octets.len() {
        0 => Err("it is empty"),
        1..=LARGEST => {
            Ok(Picture { media_type, tag: stable_id(&[&octets], 16), octets: octets.into() })
        }
        _ => Err("it is larger than 256 KiB"),
    }
}
