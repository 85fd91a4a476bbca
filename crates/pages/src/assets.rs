use std::sync::LazyLock;

/// Where [`assets`] live on every host that we serve.
pub const ASSETS_PREFIX: &str = "/.pomerium/assets/";

/// A file that pages refer to. Its name carries its hash, so it may be cached for good:
/// `Cache-Control: public, max-age=31536000, immutable`.
#[derive(Debug)]
pub struct Asset {
    /// The whole path, under [`ASSETS_PREFIX`].
    pub path: String,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub bytes: &'static [u8],
    /// A strong validator with its quotes (RFC 9110 §8.8.3), made of the content alone.
    pub etag: String,
}

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        hashed("usher", "css", "text/css; charset=utf-8", include_bytes!("../assets/usher.css")),
        hashed("favicon", "svg", "image/svg+xml", include_bytes!("../assets/favicon.svg")),
        hashed("lamp", "svg", "image/svg+xml", include_bytes!("../assets/lamp.svg")),
        hashed("touch-icon", "png", "image/png", include_bytes!("../assets/touch-icon.png")),
        hashed(
            "usher",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("../assets/usher.js"),
        ),
        hashed("seat", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/seat.js")),
    ]
});

/// Every file that a page may refer to.
pub fn assets() -> &'static [Asset] {
    ASSETS.as_slice()
}

/// The file at a path, query excluded; `None` for everything else, old hashes included.
pub fn asset(path: &str) -> Option<&'static Asset> {
    assets().iter().find(|asset| asset.path == path)
}

/// The address of the style sheet, for templates.
pub(crate) fn style_sheet() -> &'static str {
    let [style_sheet, ..] = &*ASSETS;
    &style_sheet.path
}

/// The address of the icon in tabs, for templates.
pub(crate) fn favicon() -> &'static str {
    let [_, favicon, ..] = &*ASSETS;
    &favicon.path
}

/// The address of the lamp above every page, for templates.
pub(crate) fn lamp() -> &'static str {
    let [_, _, lamp, ..] = &*ASSETS;
    &lamp.path
}

/// The address of the icon on home screens, for templates.
pub(crate) fn touch_icon() -> &'static str {
    let [_, _, _, touch_icon, ..] = &*ASSETS;
    &touch_icon.path
}

/// The address of the script, for templates of pages that are sent with [`Scripts::Own`].
///
/// [`Scripts::Own`]: crate::Scripts::Own
pub(crate) fn script() -> &'static str {
    let [_, _, _, _, script, _] = &*ASSETS;
    &script.path
}

/// The address of the script of [`Seat`](crate::Seat).
pub(crate) fn seat_script() -> &'static str {
    let [.., script] = &*ASSETS;
    &script.path
}

fn hashed(name: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    let hash = fnv_1a(bytes);
    Asset {
        path: asset_path(name, extension, bytes),
        content_type,
        bytes,
        etag: format!("\"{hash:016x}\""),
    }
}

/// Where a file of this content lives: another content has another address.
pub fn asset_path(name: &str, extension: &str, bytes: &[u8]) -> String {
    format!("{ASSETS_PREFIX}{name}.{:016x}.{extension}", fnv_1a(bytes))
}

/// FNV-1a, 64 bits. It tells our own versions of a file apart; whoever writes them
/// gains nothing by two alike.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{ASSETS_PREFIX, asset, assets, fnv_1a};

    #[test]
    fn hash_is_fnv_1a() {
        for (given, expected) in [
            ("", 0xcbf2_9ce4_8422_2325_u64),
            ("a", 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1a(given.as_bytes()), expected, "{given:?}");
        }
    }

    #[test]
    fn each_asset_is_found_by_its_path_and_named_by_its_content() {
        for one in assets() {
            let found = asset(&one.path).expect("its own path");
            assert_eq!(found.bytes, one.bytes);
            let hash = one.etag.trim_matches('"');
            assert!(one.path.starts_with(ASSETS_PREFIX) && one.path.contains(hash), "{one:?}");
        }
        assert!(asset("/.pomerium/assets/usher.css").is_none(), "not without the hash");
    }
}
