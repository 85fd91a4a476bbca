use std::{cell::RefCell, collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;
use usher_rules::{
    session::{Handle, HandleError, Keys},
    time::UnixTime,
};

/// Handles that this core remembers; a visitor has a few.
const KEPT: usize = 4096;

/// Handles that this core has verified. A page is a hundred requests with one cookie, and a
/// signature that was good stays good. What depends on the time is not kept, nor is what was bad:
/// strangers can't fill it.
#[derive(Default)]
struct Verified {
    keys: [u8; 16],
    handles: HashMap<Box<str>, Arc<Handle>, RandomState>,
}

thread_local! {
    static VERIFIED: RefCell<Verified> = RefCell::default();
}

/// What a token says, if we signed it. Whether its session is in force is asked elsewhere, each
/// time.
///
/// # Errors
///
/// [`HandleError`], one variant per rule.
pub(super) fn verify(
    keys: &Keys,
    keys_id: [u8; 16],
    token: &str,
    now: UnixTime,
) -> Result<Arc<Handle>, HandleError> {
    VERIFIED.with_borrow_mut(|verified| {
        if verified.keys != keys_id {
            *verified = Verified { keys: keys_id, ..Verified::default() };
        }
        if let Some(handle) = verified.handles.get(token) {
            return Ok(Arc::clone(handle));
        }
        let handle = Arc::new(keys.verify_handle(token, now)?);
        if !handle.depends_on_time {
            if verified.handles.len() >= KEPT {
                verified.handles.clear(); // verified again when they come again
            }
            verified.handles.insert(token.into(), Arc::clone(&handle));
        }
        Ok(handle)
    })
}

#[cfg(test)]
mod tests {
    use usher_rules::{
        secret::Secret,
        session::{Handle, Keys, SessionId},
        time::UnixTime,
    };

    use super::verify;

    const NOW: UnixTime = UnixTime::from_seconds(1_700_000_000);

    fn keys(n: u8) -> Keys {
        Keys::derive(&Secret::new([n; 32]), &Secret::new([9; 32])).unwrap()
    }

    #[test]
    fn what_is_remembered_is_for_the_same_keys_and_octets_only() {
        let (ours, others) = (keys(1), keys(2));
        let handle = Handle {
            session: SessionId::from_random([7; 16]),
            subject: "ann".into(),
            idp_id: None,
            issuer: None,
            audience: Vec::new(),
            issued_at: None,
            depends_on_time: false,
        };
        let token = ours.sign_handle(&handle);
        for _ in 0..3 {
            assert_eq!(verify(&ours, ours.id(), &token, NOW).unwrap().session, handle.session);
            assert!(verify(&others, others.id(), &token, NOW).is_err(), "other keys");
            for wrong in [&token[..token.len() - 1], &token.replace('.', ".."), ""] {
                assert!(verify(&ours, ours.id(), wrong, NOW).is_err(), "{wrong}");
            }
        }
    }
}
