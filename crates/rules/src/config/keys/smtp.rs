//! Keys of `smtp`.

use super::{AnyCase::Yes, Fate::Own, form::*, keys};
use crate::config::words::SmtpTls;

keys! {
    /// Keys of `smtp`.
    SMTP_KEYS:
    /// The server that takes mail for you, and its port: `mail.example.com:587`.
    SMTP_ADDRESS: Text = text("address", Own);
    /// When TLS begins: at once (`implicit`), by `STARTTLS` (`starttls`), or never (`none`), for a server on this machine alone; where nothing is said, `implicit` for port 465 and `starttls` for others.
    SMTP_TLS: Choice<SmtpTls> = choice("tls", Yes, Own);
    /// Who usher is there.
    SMTP_USERNAME: Text = text("username", Own);
    /// The password that goes with it.
    SMTP_PASSWORD: Secret = secret("password", Own);
    /// The same in a file.
    SMTP_PASSWORD_FILE: Text = text("password_file", Own);
    /// Whom mail comes from: `tv@example.com`, or `Our TV <tv@example.com>`.
    SMTP_FROM: Text = text("from", Own);
}
