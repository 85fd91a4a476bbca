//! Sees that the config, or a file that it names, has changed: the content is another one, and whole.
//! It compiles nothing; who is told loads anew, or goes on with what is in force.
//!
//! Looks at the content instead of waiting for the kernel's word: editors write beside and rename,
//! container engines exchange a folder that a symbolic link points at, and network file systems
//! tell nothing. The files are few and small.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// No more of a file is looked at, in bytes.
const LONGEST: u64 = 4 << 20;

/// Follows the content of some files.
#[derive(Debug)]
pub struct Watch {
    /// What was last told of each, or read.
    known: BTreeMap<PathBuf, Seen>,
    every: Duration,
    /// Is anything followed at all (`config_hot_reload`)?
    follows: bool,
}

/// A digest over a file, or over its absence.
type Seen = [u8; 32];

impl Watch {
    /// Follows these files from their content of now on.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self::looking(paths, EVERY)
    }

    /// Follows nothing, whatever it is told later.
    pub fn nothing() -> Self {
        Self { follows: false, ..Self::looking(Vec::new(), EVERY) }
    }

    fn looking(paths: Vec<PathBuf>, every: Duration) -> Self {
        let known = paths.into_iter().map(|path| seen(&path)).collect();
        Self { known, every, follows: true }
    }

    /// Follows these files instead. What is known of one stays, so that a change in between is told.
    pub fn follow(&mut self, paths: Vec<PathBuf>) {
        if self.follows {
            // One may stand there twice: a key that two routes have.
            let known = paths.into_iter().map(|path| match self.known.get(&path) {
                Some(known) => (path, *known),
                None => seen(&path),
            });
            self.known = known.collect();
        }
    }

    /// They are about to be read: what they are now is not told any more.
    pub fn about_to_read(&mut self) {
        self.known = self.look();
    }

    /// Resolves when the content has changed and is the same at two looks: a file that is being
    /// written is not told half.
    ///
    /// May be dropped at any time; nothing is missed.
    pub async fn changed(&mut self) {
        if self.known.is_empty() {
            std::future::pending::<()>().await;
        }
        let mut before = self.known.clone();
        loop {
            tokio::time::sleep(self.every).await;
            let now = self.look();
            if now != self.known && now == before {
                self.known = now;
                return;
            }
            before = now;
        }
    }

    fn look(&self) -> BTreeMap<PathBuf, Seen> {
        self.known.keys().map(|path| seen(path)).collect()
    }
}

fn seen(path: &Path) -> (PathBuf, Seen) {
    let mut digest = Context::new(&SHA256);
    match read(path) {
        Ok(bytes) => {
            digest.update(&bytes.len().to_be_bytes());
            digest.update(&bytes);
        }
        Err(_) => digest.update(&usize::MAX.to_be_bytes()), // a file that is gone is another
    }
    let mut seen = Seen::default();
    seen.copy_from_slice(digest.finish().as_ref());
    (path.to_owned(), seen)
}

/// A file's content; of a folder, what lies in it and when each was changed, three levels deep: as
/// deep as certificates are looked for.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.is_dir() {
        let mut seen = Vec::new();
        list(path, 3, &mut seen);
        return Ok(seen);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list(folder: &Path, depth: usize, seen: &mut Vec<u8>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(about) = std::fs::metadata(&path) else { continue }; // links are followed
        seen.extend(path.as_os_str().as_encoded_bytes());
        if about.is_dir() {
            if depth > 1 {
                list(&path, depth - 1, seen);
            }
            continue;
        }
        seen.extend(about.len().to_be_bytes());
        if let Ok(changed) = about.modified() {
            let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            seen.extend(since.as_nanos().to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use super::Watch;

    const TICK: Duration = Duration::from_secs(2);

    async fn tells(watch: &mut Watch, looks: u32) -> bool {
        tokio::time::timeout(TICK * looks + TICK / 2, watch.changed()).await.is_ok()
    }

    fn watch(path: &Path) -> Watch {
        Watch::looking(vec![path.to_owned()], TICK)
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        assert!(!tells(&mut watch, 3).await, "nothing has changed");

        fs::write(&file, "tw").unwrap();
        assert!(!tells(&mut watch, 1).await, "seen once: it may be half");
        fs::write(&file, "two").unwrap();
        assert!(tells(&mut watch, 2).await);
        assert!(!tells(&mut watch, 3).await, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn ways_in_which_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("v1")).unwrap();
        fs::create_dir(at("v2")).unwrap();
        fs::write(at("v1/config.yaml"), "one").unwrap();
        fs::write(at("v2/config.yaml"), "two").unwrap();
        std::os::unix::fs::symlink("v1", at("now")).unwrap();
        let mut watch = watch(&at("now/config.yaml"));

        std::os::unix::fs::symlink("v2", at("next")).unwrap();
        fs::rename(at("next"), at("now")).unwrap();
        assert!(tells(&mut watch, 2).await, "a link that points elsewhere");

        fs::write(at("draft"), "three").unwrap();
        fs::rename(at("draft"), at("v2/config.yaml")).unwrap();
        assert!(tells(&mut watch, 2).await, "a file renamed over it");

        fs::remove_file(at("v2/config.yaml")).unwrap();
        assert!(tells(&mut watch, 2).await, "a file that is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_given_up_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        fs::write(&file, "two").unwrap();
        assert!(!tells(&mut watch, 1).await);
        assert!(tells(&mut watch, 2).await);
    }

    /// SIGHUP after each change, as deployments do it: it was read, and is not told two looks later.
    #[tokio::test(start_paused = true)]
    async fn what_was_read_by_another_word_is_not_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        fs::write(&file, "two").unwrap();
        watch.about_to_read();
        assert!(!tells(&mut watch, 3).await);
        fs::write(&file, "three").unwrap();
        assert!(tells(&mut watch, 2).await, "and what comes after it is");
    }

    /// A config that names another file is read, and changed meanwhile.
    #[tokio::test(start_paused = true)]
    async fn a_change_before_other_files_are_followed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("config.yaml"), folder.path().join("key.pem"));
        fs::write(&file, "one").unwrap();
        fs::write(&other, "key").unwrap();
        let mut watch = watch(&file);
        fs::write(&file, "two").unwrap();
        watch.follow(vec![file.clone(), other.clone(), file.clone()]);
        assert!(tells(&mut watch, 2).await, "of a file that was followed before");
        fs::write(&other, "another").unwrap();
        assert!(tells(&mut watch, 2).await, "and of one that was not");
        watch.follow(vec![file]);
        fs::write(&other, "key").unwrap();
        assert!(!tells(&mut watch, 3).await, "it is followed no more");
    }
}
