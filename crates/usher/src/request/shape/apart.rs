use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};

/// Gives fields memory of their own. As they were read they are parts of what their connection read
/// with them, eight KiB, and all of it stays for as long as one of them does.
///
/// The tables of HPACK (RFC 7541 §2.3.2) keep fields of answers for as long as their connection
/// lives: each could hold what was read with an answer of an hour ago.
pub fn apart(fields: &mut HeaderMap) {
    let mut all = BytesMut::with_capacity(fields.values().map(HeaderValue::len).sum());
    for value in fields.values_mut() {
        all.extend_from_slice(value.as_bytes());
        put(value, HeaderValue::from_maybe_shared(all.split().freeze()));
    }
}

/// The same of one field.
pub fn own(value: &mut HeaderValue) {
    put(value, HeaderValue::from_bytes(value.as_bytes()));
}

fn put<E>(value: &mut HeaderValue, copy: Result<HeaderValue, E>) {
    let is_sensitive = value.is_sensitive();
    if let Ok(copy) = copy {
        *value = copy;
        value.set_sensitive(is_sensitive);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::{apart, own};

    /// What a connection has read, and a field in it.
    fn read() -> (Bytes, HeaderValue) {
        let read = Bytes::from(b"HTTP/1.1 200 OK\r\nserver: Kestrel\r\n\r\n".to_vec());
        let value = HeaderValue::from_maybe_shared(read.slice(25..32)).unwrap();
        (read, value)
    }

    #[test]
    fn fields_keep_nothing_of_what_was_read_with_them() {
        let (buffer, value) = read();
        assert!(!buffer.is_unique(), "it is kept by its field");
        let mut fields = HeaderMap::new();
        fields.insert("server", value.clone());
        fields.append("server", "second".parse().unwrap());
        let mut secret = value;
        secret.set_sensitive(true);
        fields.insert("date", secret);
        fields.insert("empty", HeaderValue::from_static(""));
        apart(&mut fields);
        assert!(buffer.is_unique(), "nothing holds it");
        let lines: Vec<_> = fields.get_all("server").iter().collect();
        assert_eq!(lines, ["Kestrel", "second"]);
        assert_eq!(
            (&fields["date"], &fields["empty"]),
            (&"Kestrel".parse().unwrap(), &"".parse().unwrap())
        );
        assert!(fields["date"].is_sensitive() && !fields["server"].is_sensitive());
    }

    #[test]
    fn nor_does_one_alone() {
        let (buffer, mut value) = read();
        value.set_sensitive(true);
        own(&mut value);
        assert!(buffer.is_unique() && value.is_sensitive());
        assert_eq!(value, "Kestrel");
    }
}
