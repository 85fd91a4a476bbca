//! The latest decisions, beside the store: two files, of which the older one is forgotten.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::directory;

/// What is written now.
const NEW: &str = "decisions.jsonl";
/// What was written before it.
const OLD: &str = "decisions.old.jsonl";
/// Each of them ends at so many octets: some ten thousand decisions.
const MOST: u64 = 4 << 20;

/// Where decisions are kept, a line each. What is written at once stays together.
#[derive(Debug)]
pub struct DecisionFile {
    dir: PathBuf,
    /// What is open, and how long it is.
    open: Option<(File, u64)>,
    most: u64,
}

impl DecisionFile {
    /// In this data directory; nothing is made before there is something to keep.
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None, most: MOST }
    }

    /// What is kept there, the oldest first.
    ///
    /// # Errors
    ///
    /// A file that is there and can't be read.
    pub fn read(dir: &Path) -> io::Result<String> {
        let mut kept = String::new();
        for name in [OLD, NEW] {
            match fs::read(dir.join(name)) {
                Ok(lines) => kept.push_str(&String::from_utf8_lossy(&lines)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(kept)
    }

    fn room_for(&mut self, octets: u64) -> io::Result<&mut (File, u64)> {
        let path = self.dir.join(NEW);
        let is_full = |(_, length): &(File, u64)| *length > 0 && *length + octets > self.most;
        if self.open.is_none() {
            self.open = Some(Self::open(&self.dir, &path)?);
        }
        if self.open.as_ref().is_some_and(is_full) {
            fs::rename(&path, self.dir.join(OLD))?;
            self.open = Some(Self::open(&self.dir, &path)?);
        }
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(dir: &Path, path: &Path) -> io::Result<(File, u64)> {
        let mut file = directory::new_file(dir, path).map_err(io::Error::other)?;
        let length = file.seek(SeekFrom::End(0))?;
        Ok((file, length))
    }
}

impl Write for DecisionFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let octets = lines.len() as u64;
        let written = self.room_for(octets).and_then(|(file, length)| {
            // What was written of them comes again, since all of them do.
            file.write_all(lines).inspect_err(|_| drop(file.set_len(*length)))?;
            *length += octets;
            Ok(lines.len())
        });
        if written.is_err() {
            self.open = None; // the disk may be well again, or the file another one
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::DecisionFile;

    #[test]
    fn the_latest_decisions_are_kept_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            DecisionFile::read(dir.path()).unwrap(),
            "",
            "nothing is there, nothing is made"
        );
        let mut file = DecisionFile { most: 10, ..DecisionFile::in_dir(dir.path()) };
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(DecisionFile::read(dir.path()).unwrap(), "three\nfour\nfive\n");
        drop(file);
        DecisionFile::in_dir(dir.path()).write_all(b"six\n").unwrap();
        assert!(
            DecisionFile::read(dir.path()).unwrap().ends_with("five\nsix\n"),
            "after a restart"
        );
        let mode = std::fs::metadata(dir.path().join(super::NEW)).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
}
