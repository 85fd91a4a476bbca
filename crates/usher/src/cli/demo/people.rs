//! The two people of the demo: one whom the policy lets in, one whom it does not.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use usher_rules::{
    people::{PasswordCheck as _, PasswordRefusal, TypedPassword},
    secret::Secret,
    time::Now,
};

use super::config::GROUP;
use crate::idp::{Directory, DirectoryError, NewMember, NoRandomness, generated_password};

/// Where the demo keeps the passwords that it prints. They open nothing but the demo.
const FILE: &str = "demo-people.json";

/// Address, name, and whether they are in the group that may enter.
const PEOPLE: [(&str, &str, bool); 2] =
    [("ann@example.com", "Ann", true), ("eve@example.com", "Eve", false)];

/// Somebody whom the demo tells how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoPerson {
    /// The address to sign in with.
    pub email: &'static str,
    /// The password, in the clear: it is there to be shown.
    pub password: String,
    /// Whether the policy lets them in.
    pub allowed: bool,
}

/// Why the demo has no people.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The file with the passwords can't be read or written.
    #[error("can't keep the demo's passwords in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The people could not be added.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// No password could be made.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The store can't be asked whether the passwords are still right.
    #[error("can't check the demo's passwords: {0}")]
    Check(PasswordRefusal),
}

/// Makes sure that both are there, with the passwords that the folder remembers: made once, put
/// back if somebody changed them, so that what the demo prints is true.
///
/// # Errors
///
/// [`PeopleError`]; then nobody should be told anything.
pub async fn settle(
    directory: &Directory,
    dir: &Path,
    now: Now,
) -> Result<Vec<DemoPerson>, PeopleError> {
    let path = dir.join(FILE);
    let failed = |source| PeopleError::File { path: path.clone(), source };
    let mut passwords = remembered(&path).map_err(failed)?;
    for (email, ..) in PEOPLE {
        if !passwords.contains_key(email) {
            let generated = generated_password()?;
            let password = generated.expose_str().ok_or(NoRandomness)?;
            passwords.insert(email.to_owned(), password.to_owned());
        }
    }
    remember(&path, &passwords).map_err(failed)?;
    let members = directory.list().await?;
    let mut people = Vec::with_capacity(PEOPLE.len());
    for (email, name, allowed) in PEOPLE {
        let password = passwords.remove(email).unwrap_or_default();
        let groups = if allowed { vec![GROUP.to_owned()] } else { Vec::new() };
        match members.iter().find(|member| &*member.email == email) {
            None => {
                let new = NewMember { email, name, groups: &groups };
                directory.add(new, secret(&password), now.wall).await?;
            }
            Some(member) => {
                // Only what differs: a change ends the sessions that should outlive a restart.
                if !member.groups.iter().map(|group| &**group).eq(groups.iter().map(|g| &**g)) {
                    directory.set_groups(email, &groups).await?;
                }
                let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
                match directory.check(typed(email, &password, from, now)).await {
                    Ok(_) => {}
                    Err(PasswordRefusal::Wrong) => {
                        directory.set_password(email, secret(&password)).await?;
                    }
                    Err(refusal) => return Err(PeopleError::Check(refusal)),
                }
            }
        }
        people.push(DemoPerson { email, password, allowed });
    }
    Ok(people)
}

fn typed<'a>(email: &'a str, password: &str, from: IpAddr, now: Now) -> TypedPassword<'a> {
    TypedPassword { email, password: secret(password), from, devices: &[], now }
}

fn secret(password: &str) -> Secret {
    Secret::new(password.as_bytes())
}

/// Empty where there is no file yet. One that can't be read is an error, not a reason to write over
/// it.
fn remembered(path: &Path) -> io::Result<BTreeMap<String, String>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// Writes the file whole or not at all, for its owner only.
fn remember(path: &Path, passwords: &BTreeMap<String, String>) -> io::Result<()> {
    let text = serde_json::to_string_pretty(passwords)?;
    let draft = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Instant};

    use usher_rules::time::UnixTime;

    use super::*;
    use crate::{
        idp::{Cost, Passwords},
        store::Store,
    };

    fn now() -> Now {
        Now { wall: UnixTime::from_seconds(1), wall_millis: 0, monotonic: Instant::now() }
    }

    fn directory(dir: &Path) -> Directory {
        let passwords = Passwords::new(Cost::DEFAULT, 1).unwrap();
        Directory::new(Arc::new(Store::open(dir).unwrap()), passwords)
    }

    #[tokio::test]
    async fn settled_once_and_put_right_again() {
        let dir = tempfile::tempdir().unwrap();
        let first = settle(&directory(dir.path()), dir.path(), now()).await.unwrap();
        let told: Vec<_> = first.iter().map(|one| (one.email, one.allowed)).collect();
        assert_eq!(told, [("ann@example.com", true), ("eve@example.com", false)]);
        assert_ne!(first[0].password, first[1].password);
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for their owner only");

        let directory = directory(dir.path());
        directory.set_groups("eve@example.com", &[GROUP.to_owned()]).await.unwrap();
        directory.set_password("ann@example.com", secret("something else")).await.unwrap();
        let again = settle(&directory, dir.path(), now()).await.unwrap();
        assert_eq!(again, first, "the same passwords");
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        for person in &again {
            let check = directory.check(typed(person.email, &person.password, from, now()));
            let member = check.await.unwrap();
            assert_eq!(member.groups.len(), usize::from(person.allowed), "{}", person.email);
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, "not json").unwrap();
        let refused = settle(&directory(dir.path()), dir.path(), now()).await;
        assert!(matches!(refused, Err(PeopleError::File { .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "not json");
    }
}
