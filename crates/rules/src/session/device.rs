use serde::{Deserialize, Serialize};

/// A device that a session was proven on (WebAuthn).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownDevice {
    /// Of which kind it is: `any`, `enclave_only`.
    pub kind: Box<str>,
    /// What the store knows of it; `None` where it was asked for and there was none, or where it
    /// was removed since.
    pub credential: Option<DeviceCredential>,
}

/// A credential that somebody's device holds, and what was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCredential {
    /// Its id.
    pub id: Box<str>,
    /// Whose it is: a person's id.
    pub owner: Box<str>,
    /// How far its enrolment came.
    pub enrolment: Enrolment,
}

/// How far the enrolment of a device came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enrolment {
    /// There is none.
    Missing,
    /// It waits for an operator.
    Pending,
    /// An operator approved it.
    Approved,
}
