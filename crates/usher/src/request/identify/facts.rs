use usher_rules::{session::Session, time::UnixTime};

/// What a store tells of a session without anybody asking about it: whoever looks at all of them now
/// and then leaves alone those that are nothing to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// When it was started.
    pub issued_at: UnixTime,
    /// From when on it is over.
    pub expires_at: UnixTime,
    /// Is it an app's?
    pub is_of_app: bool,
    /// See [`Session::is_of_program`].
    pub is_of_program: bool,
    /// Was it proven on a device?
    pub has_devices: bool,
    /// Can a provider be asked about it?
    pub has_tokens: bool,
    /// Is something in it sealed?
    pub is_sealed: bool,
}

impl SessionFacts {
    /// Those of a session.
    pub fn of(session: &Session) -> Self {
        let has_tokens = session.tokens.is_some();
        Self {
            issued_at: session.issued_at(),
            expires_at: session.expires_at(),
            is_of_app: session.app.is_some(),
            is_of_program: session.is_of_program(),
            has_devices: !session.devices.is_empty(),
            has_tokens,
            is_sealed: has_tokens || session.id_token.is_some(),
        }
    }

    /// See [`Session::ends_when_idle`].
    pub const fn ends_when_idle(&self) -> bool {
        !self.is_of_program && !self.is_of_app
    }
}
