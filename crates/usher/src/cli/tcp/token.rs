//! What a sign-in gave, kept for the next time: for its owner's eyes alone.

use std::{
    ffi::OsString,
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{address::Address, home};

/// Longer is no token.
const LONGEST: usize = 8 * 1024;

/// Where tokens are kept; nowhere, where the environment names no place.
#[derive(Clone, Debug)]
pub(super) struct Kept(Option<PathBuf>);

impl Kept {
    /// In `$XDG_CACHE_HOME/usher`, else `~/.cache/usher`; one file for each proxy.
    pub(super) fn of(address: &Address, environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let base = home::folder("XDG_CACHE_HOME", ".cache", environment);
        let name = format!("{}_{}.jwt", address.proxy, address.port);
        Self(base.map(|base| base.join("usher/tokens").join(name)))
    }

    /// The one that was kept, if it is one.
    pub(super) fn read(&self) -> Option<String> {
        read(self.0.as_ref()?)
    }

    /// Whole or not at all.
    pub(super) fn write(&self, token: &str) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let draft = file.with_extension(format!("{}.new", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&draft)?.write_all(token.as_bytes())?;
        fs::rename(&draft, file)
    }
}

/// The token in a file.
pub(super) fn read(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    is_token(text.trim()).then(|| text.trim().to_owned())
}

/// Can it stand in a field?
pub(super) fn is_token(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use usher_rules::plan::Carried;

    use super::{Address, Kept};

    #[test]
    fn a_token_is_kept_for_its_owner_and_its_proxy() {
        let home = tempfile::tempdir().unwrap();
        let place = |name: &str| (name == "HOME").then(|| home.path().into());
        let kept = |to: &str| Kept::of(&Address::parse(to, Carried::Tcp).unwrap(), place);
        assert_eq!(kept("ssh.test:22").read(), None);
        kept("ssh.test:22").write("a.b.c").unwrap();
        assert_eq!(kept("ssh.test:23").read().as_deref(), Some("a.b.c"), "the same proxy");
        assert_eq!(kept("tcp+https://ssh.test:8443/x:1").read(), None, "another one");
        let folder = home.path().join(".cache/usher/tokens");
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.join("ssh.test_443.jwt")), 0o600);
        assert_eq!(mode(folder.clone()), 0o700);
        std::fs::write(folder.join("ssh.test_443.jwt"), "a b\r\nx: y").unwrap();
        assert_eq!(kept("ssh.test:22").read(), None, "no field is made of it");
    }
}
