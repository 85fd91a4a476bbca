use std::{fs, io, path::Path};

use crate::Target;

/// The seeds of a target. Folders count with every file in them, by name.
///
/// # Errors
///
/// A file that a target names and that can't be read.
pub fn seeds(root: &Path, target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    for name in target.seeds {
        let path = root.join(name);
        if path.is_dir() {
            let mut files = fs::read_dir(&path)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<_>>>()?;
            files.retain(|file| file.extension().is_some_and(|ending| ending == "case"));
            files.sort();
            for file in files {
                found.push(fs::read(file)?);
            }
        } else if path.extension().is_some_and(|ending| ending == "txt") {
            let text = fs::read_to_string(&path)?;
            found.extend(text.lines().filter(|line| !line.starts_with('#')).map(unescaped));
        } else {
            found.push(fs::read(&path)?);
        }
    }
    Ok(found)
}

/// A line of a corpus: `\t`, `\n`, `\r`, `\0`, `\xXX` and `\uXXXX` stand for what can't be in one.
fn unescaped(line: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        rest = one_escape(after, &mut out);
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn one_escape<'t>(after: &'t str, out: &mut Vec<u8>) -> &'t str {
    let simple = [('t', b'\t'), ('n', b'\n'), ('r', b'\r'), ('0', 0)];
    for (letter, octet) in simple {
        if let Some(rest) = after.strip_prefix(letter) {
            out.push(octet);
            return rest;
        }
    }
    let number = |letter: char, digits: usize| {
        let hex = after.strip_prefix(letter)?.get(..digits)?;
        Some((u32::from_str_radix(hex, 16).ok()?, &after[1 + digits..]))
    };
    if let Some((octet, rest)) = number('x', 2) {
        out.push(u8::try_from(octet).unwrap_or_default());
        return rest;
    }
    if let Some((letter, rest)) = number('u', 4) {
        let letter = char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        return rest;
    }
    out.push(b'\\');
    after
}
