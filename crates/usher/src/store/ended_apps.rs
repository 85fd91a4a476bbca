//! Tokens of apps that were ended: rows that a trigger on `sessions` makes, see `0010.sql`.

use rusqlite::Connection;
use usher_rules::{
    jellyfin::{DeviceAt, EndedApp, EndedApps, TokenHash},
    people::{BoxFuture, PeopleError},
};

use super::{Store, StoreFailure};

impl EndedApps for Store {
    fn ended_before(&self) -> Vec<EndedApp> {
        self.ended_apps.clone()
    }

    fn forget_ended(&self, tokens: Vec<TokenHash>) -> BoxFuture<'_, Result<(), PeopleError>> {
        let forget = move |db: &Connection| {
            let mut delete = db.prepare_cached("DELETE FROM ended_apps WHERE token = ?1")?;
            for token in &tokens {
                delete.execute([token.to_hex()])?;
            }
            Ok(())
        };
        Box::pin(async move { Ok(self.writer.write(forget, |()| ()).await?) })
    }
}

/// Every one that is there.
pub(super) fn load(db: &Connection) -> Result<Vec<EndedApp>, StoreFailure> {
    let mut query = db.prepare("SELECT token, server, host, device_id FROM ended_apps")?;
    let mut rows = query.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column| row.get::<_, String>(column).map(String::into_boxed_str);
        let Some(token) = TokenHash::of_hex(&text(0)?) else { continue };
        let at = DeviceAt { server: text(1)?, host: text(2)?, device_id: text(3)? };
        all.push(EndedApp { token, at });
    }
    Ok(all)
}
