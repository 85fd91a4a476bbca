//! Where this person's files are (XDG Base Directory Specification).

use std::{ffi::OsString, path::PathBuf};

/// What `variable` names, else `below` in their home; paths that are not absolute count for nothing.
pub(super) fn folder(
    variable: &str,
    below: &str,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let absolute =
        |name| environment(name).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    absolute(variable).or_else(|| Some(absolute("HOME")?.join(below)))
}
