/// Which paths a route takes. Looked at in the canonical form, never with the query.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// `prefix`, a textual prefix without segment boundary; `/` takes all.
    Prefix(Box<str>),
    /// `path`, exactly.
    Exact(Box<str>),
    /// `regex`, the whole path.
    Regex(regex::Regex),
}

impl PathMatch {
    /// Does this route take `path` (canonical, without query)?
    pub fn takes(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(&**prefix),
            Self::Exact(exact) => path == &**exact,
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}
