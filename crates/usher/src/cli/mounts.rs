//! Files that are mounts of their own: what replaces them by a rename never arrives.

use std::path::{Path, PathBuf};

/// Those of the files that are mounted alone, as this process sees it.
pub(super) fn mounted_alone(files: &[PathBuf]) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = |file: &PathBuf| std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
    let is_file = |file: &&PathBuf| file.is_file();
    files.iter().filter(is_file).filter(|file| is_mount(&real(file), &table)).cloned().collect()
}

/// The fifth field of a line is where something is mounted; blanks in it are `\040` (proc(5)).
fn is_mount(file: &Path, table: &str) -> bool {
    let places = table.lines().filter_map(|line| line.split(' ').nth(4));
    let mut places = places.map(|place| place.replace("\\040", " ").replace("\\134", "\\"));
    places.any(|place| Path::new(&place) == file)
}

#[cfg(test)]
mod tests {
    use super::is_mount;

    #[test]
    fn a_file_that_is_a_mount_of_its_own() {
        let table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
             90 22 8:1 /home/a/c.yaml /etc/usher/config.yaml ro - ext4 /dev/sda1 rw\n\
             91 22 8:1 /home/b /srv/my\\040folder ro - ext4 /dev/sda1 rw\n";
        for (file, expected) in [
            ("/etc/usher/config.yaml", true),
            ("/etc/usher", false),
            ("/etc/usher/config.yam", false),
            ("/srv/my folder", true),
            ("/srv/my folder/config.yaml", false),
        ] {
            assert_eq!(is_mount(file.as_ref(), table), expected, "{file}");
        }
    }
}
