//! How our own pages look where the config says (`primary_color`, `logo_url` and their like).

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use usher_pages::{ASSETS_PREFIX, Branding, Colours, asset_path};
use usher_rules::plan::{Accents, Brand, Picture};

use super::Body;

/// Of a page that is ours, and not an app's.
#[derive(Clone, Copy, Debug)]
pub(super) struct OurPage;

/// What one of the addresses leads to.
pub struct BrandAsset {
    /// `Content-Type`.
    pub media_type: &'static str,
    /// The content.
    pub octets: Bytes,
}

/// Gives a page of ours the looks of its operator; any other answer stays as it is.
pub(super) fn put_on(brand: &Brand, response: &mut Response<Body>) {
    let is_page = response.extensions().get::<OurPage>().is_some();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !is_page || kind != Some(&HeaderValue::from_static(usher_pages::HTML)) {
        return;
    }
    let Body::Full(Some(bytes)) = response.body() else { return };
    let Ok(page) = std::str::from_utf8(bytes) else { return };
    let sheet = style_sheet(brand).map(|sheet| sheet_path(&sheet));
    let logo = brand.logo.as_ref().map(|logo| path_of("logo", logo));
    let icon = brand.favicon.as_ref().map(|icon| (path_of("icon", icon), icon.media_type));
    let branding = Branding {
        style_sheet: sheet.as_deref(),
        logo: logo.as_deref(),
        favicon: icon.as_ref().map(|(path, kind)| (&**path, *kind)),
        first_paragraph: brand.first_paragraph.as_deref(),
    };
    let page = usher_pages::branded(page, branding);
    *response.body_mut() = Body::full(page);
}

/// What is at an address that [`put_on`] wrote into a page.
pub fn brand_asset(brand: &Brand, at: &str) -> Option<BrandAsset> {
    if let Some(sheet) = style_sheet(brand)
        && at == sheet_path(&sheet)
    {
        return Some(BrandAsset { media_type: "text/css; charset=utf-8", octets: sheet.into() });
    }
    let pictures = [("logo", &brand.logo), ("icon", &brand.favicon)];
    let known = pictures.into_iter().filter_map(|(name, picture)| Some((name, picture.as_ref()?)));
    let (_, found) = known.into_iter().find(|(name, picture)| path_of(name, picture) == at)?;
    Some(BrandAsset { media_type: found.media_type, octets: found.octets.clone() })
}

fn style_sheet(brand: &Brand) -> Option<String> {
    usher_pages::colours(&colours(brand.dark), &colours(brand.light))
}

fn colours(accents: Accents) -> Colours {
    let primary = accents.primary;
    Colours {
        button: primary
            .map(|one| [one.button, one.button_lit, one.on_button].map(|rgb| rgb.to_string())),
        link: primary.map(|one| one.link.to_string()),
        ring: accents.ring.map(|rgb| rgb.to_string()),
    }
}

/// Another content has another address, so each may be kept for good.
fn sheet_path(sheet: &str) -> String {
    asset_path("brand", "css", sheet.as_bytes())
}

/// The same of a picture, which is large: nothing of it is read for a page.
fn path_of(name: &str, picture: &Picture) -> String {
    let ending = picture.media_type.rsplit(['/', '.']).next().unwrap_or_default();
    let ending = ending.split('+').next().unwrap_or_default();
    format!("{ASSETS_PREFIX}{name}.{}.{ending}", picture.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_neither_read_for_a_page_nor_copied_for_a_request() {
        let octets = Bytes::from(vec![7; 4096]);
        let picture = Picture { media_type: "image/svg+xml", tag: "0a1b".into(), octets };
        let brand = Brand { logo: Some(picture.clone()), ..Brand::default() };
        let found = brand_asset(&brand, "/.pomerium/assets/logo.0a1b.svg").unwrap();
        assert_eq!(found.octets.as_ptr(), picture.octets.as_ptr(), "the plan's own octets");
        assert!(brand_asset(&brand, "/.pomerium/assets/icon.0a1b.svg").is_none());
    }
}
