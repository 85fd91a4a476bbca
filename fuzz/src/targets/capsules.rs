//! Capsules: what a stream carries does not hang on the pieces that it comes in.

use usher_rules::capsule::{self, CapsuleError, Capsules, LONGEST};

pub fn capsules(input: &[u8]) {
    let whole = read(input, input.len());
    for piece in [1, 2, 7] {
        assert_eq!(read(input, piece), whole, "in pieces of {piece}");
    }
    let mut again = Vec::new();
    for payload in &whole.0 {
        assert!(payload.len() <= LONGEST);
        capsule::write(payload, &mut again);
    }
    assert_eq!(read(&again, 3), (whole.0, Ok(())), "what was read can be written");
}

/// The payloads up to the end or to a mistake.
fn read(input: &[u8], piece: usize) -> (Vec<Vec<u8>>, Result<(), CapsuleError>) {
    let (mut reader, mut found) = (Capsules::default(), Vec::new());
    for came in input.chunks(piece.max(1)) {
        let read = reader.read(came, |payload| found.push(payload.to_vec()));
        if read.is_err() {
            return (found, read);
        }
    }
    let end = reader.end();
    (found, end)
}
