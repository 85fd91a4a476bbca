//! Two values for each key of `smtp`, as in `values`.

use crate::values::Row;

const SERVER: &str = "smtp: {address: 'mail.test:587', from: tv@a.test, {}}";
const NAMED: &str = "smtp: {address: 'mail.test:587', from: tv@a.test, username: tv, {}}";

/// At the top level.
pub const SMTP: &[Row] = &[
    ("smtp", "{}", "{address: 'mail.test:587', from: tv@a.test}", ""),
    ("smtp.address", "smtp: {from: tv@a.test, {}}", "'a.test:587'", "'b.test:587'"),
    ("smtp.tls", SERVER, "implicit", "starttls"),
    (
        "smtp.username",
        "smtp: {address: 'mail.test:587', from: tv@a.test, password: s3cret-s3cret, {}}",
        "one",
        "two",
    ),
    ("smtp.password", NAMED, "s3cret-s3cret", ""),
    ("smtp.password_file", NAMED, "a.key", ""),
    ("smtp.from", "smtp: {address: 'mail.test:587', {}}", "a@a.test", "b@a.test"),
];
