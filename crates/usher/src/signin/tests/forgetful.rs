use usher_rules::people::BoxFuture;

use crate::request::{Anchor, LocalAuthority, Remembered, identify::StoreError};

/// Keeps nothing.
pub struct Forgetful;

impl Remembered for Forgetful {
    fn recall<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn remember<'a>(
        &'a self,
        _name: &'a str,
        _value: &'a [u8],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

impl LocalAuthority for Forgetful {
    fn anchor(&self, _host: &str) -> Option<Anchor> {
        None
    }
}
