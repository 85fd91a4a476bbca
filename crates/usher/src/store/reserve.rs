//! Space put by, so that sessions can be ended on a full disk.
//!
//! Writing down an end takes a page of the log, and on a full disk there is none: the session
//! would come back at the next restart. So a file lies in the data directory that is deleted when
//! an end needs its place, and is made again once there is space.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use super::directory;

/// The reserve's name in the data directory.
const FILE: &str = "usher.reserve";
/// Its size, in octets: the log's pages of some hundred ends.
const SIZE: usize = 1 << 20;

#[derive(Clone)]
pub(super) struct Reserve {
    dir: PathBuf,
    file: PathBuf,
}

impl Reserve {
    pub(super) fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), file: dir.join(FILE) }
    }

    /// Puts the space by, if it is not and there is some. That there is none is no failure yet.
    pub(super) fn fill(&self) {
        if !self.is_there() && !self.write() {
            self.release();
        }
    }

    /// Is the space put by?
    pub(super) fn is_there(&self) -> bool {
        fs::metadata(&self.file).is_ok_and(|found| found.len() == SIZE as u64)
    }

    /// Gives the space free; `false` when there was none.
    pub(super) fn release(&self) -> bool {
        fs::remove_file(&self.file).is_ok()
    }

    /// Random octets, since a file system that compresses would put no space by for zeros.
    fn write(&self) -> bool {
        let mut octets = vec![0; SIZE];
        getrandom::fill(&mut octets).is_ok()
            && directory::new_file(&self.dir, &self.file).is_ok_and(|mut file| {
                file.write_all(&octets).and_then(|()| file.sync_all()).is_ok()
            })
    }
}
