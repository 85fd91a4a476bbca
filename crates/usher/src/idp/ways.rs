//! What becomes of a link and of a new passkey, once somebody has used them.

use aws_lc_rs::digest::{SHA256, digest};
use usher_rules::{
    accounts::{AccountRefusal, Invitation, Joining, KeptPasskey, TypedWrong},
    passkey::NewPasskey,
    people::{AddressBy, Member, PeopleError},
    time::UnixTime,
};

use super::{
    DirectoryError, NoRandomness,
    directory::{address, name},
    passwords::SHORTEST_PASSWORD,
};

/// The longest label of a passkey, in octets.
const LONGEST_LABEL: usize = 100;

pub(super) fn newcomer(
    invitation: &Invitation,
    joining: &Joining<'_>,
    now: UnixTime,
) -> Result<Member, AccountRefusal> {
    let (email, address_by) = match &invitation.email {
        Some(email) => (email.clone(), AddressBy::Operator),
        None => (address(joining.email).map_err(typed_wrong)?, AddressBy::Themselves),
    };
    let typed = name(joining.name).map_err(typed_wrong)?;
    Ok(Member {
        id: joining.id.into(),
        email,
        name: if typed.is_empty() { invitation.name.clone() } else { typed },
        groups: invitation.groups.clone(),
        added_at: now.seconds(),
        until: invitation.until,
        address_by,
        changes: 0,
    })
}

pub(super) fn new_passkey(
    owner: &Member,
    key: NewPasskey,
    label: &str,
    now: UnixTime,
) -> KeptPasskey {
    let label: String = label.chars().filter(|c| !c.is_control()).collect();
    let label = label.trim();
    let label = label.get(..label.floor_char_boundary(LONGEST_LABEL)).unwrap_or_default();
    let label = if label.is_empty() { "Passkey" } else { label };
    KeptPasskey {
        key,
        owner: owner.id.clone(),
        label: label.into(),
        added_at: now.seconds(),
        used_at: None,
    }
}

pub(super) fn typed_wrong(error: DirectoryError) -> AccountRefusal {
    match error {
        DirectoryError::People(error) => AccountRefusal::People(error),
        DirectoryError::Hashing(_) => AccountRefusal::TooManyTries,
        DirectoryError::Address { .. } => TypedWrong::Address.into(),
        DirectoryError::Name => TypedWrong::Name.into(),
        DirectoryError::Group(_) => TypedWrong::Group.into(),
        DirectoryError::TooManyGroups => TypedWrong::TooManyGroups.into(),
        DirectoryError::PasswordLength(octets) if octets < SHORTEST_PASSWORD => {
            TypedWrong::ShortPassword.into()
        }
        DirectoryError::PasswordLength(_) => TypedWrong::LongPassword.into(),
        DirectoryError::PasswordWeak => TypedWrong::WeakPassword.into(),
        DirectoryError::Random(none) => no_randomness(none),
    }
}

pub(super) fn no_randomness(none: NoRandomness) -> AccountRefusal {
    AccountRefusal::People(PeopleError::Store(none.to_string().into()))
}

pub(super) fn digest_of(token: &str) -> [u8; 32] {
    let mut digest_of = [0; 32];
    digest_of.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    digest_of
}
