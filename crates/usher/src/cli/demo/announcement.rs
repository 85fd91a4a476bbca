//! What the demo tells: a block for people, or one line for programs.

use std::{borrow::Cow, fmt, path::Path};

use serde::Serialize;

use super::people::DemoPerson;

/// Everything that there is to tell, once it is true.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    /// The address of the route, without a slash at the end.
    pub url: &'a str,
    /// Who can sign in.
    pub people: &'a [DemoPerson],
    /// The certificate of the local authority, PEM.
    pub ca_file: &'a Path,
    /// Where everything is kept.
    pub data_dir: &'a Path,
    /// This process.
    pub pid: u32,
}

#[derive(Serialize)]
struct Line<'a> {
    routes: [Route<'a>; 1],
    people: Vec<Person<'a>>,
    ca_file: Cow<'a, str>,
    data_dir: Cow<'a, str>,
    pid: u32,
}

#[derive(Serialize)]
struct Route<'a> {
    name: &'a str,
    url: &'a str,
    kind: &'a str,
}

#[derive(Serialize)]
struct Person<'a> {
    email: &'a str,
    password: &'a str,
    allowed: bool,
}

impl Announcement<'_> {
    /// One line of JSON. Its keys are an API: suites and scripts read them.
    pub fn json(&self) -> String {
        let Self { url, people, ca_file, data_dir, pid } = *self;
        let people = people.iter().map(|DemoPerson { email, password, allowed }| Person {
            email,
            password,
            allowed: *allowed,
        });
        let line = Line {
            routes: [Route { name: "cinema", url, kind: "stand-in" }],
            people: people.collect(),
            ca_file: ca_file.to_string_lossy(),
            data_dir: data_dir.to_string_lossy(),
            pid,
        };
        serde_json::to_string(&line).unwrap_or_default() // text and numbers can't fail
    }
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, people, ca_file, data_dir, pid: _ } = self;
        writeln!(f, "\nThe cinema is open. It is a stand-in for Jellyfin, with one film.\n")?;
        writeln!(f, "  {url}/\n")?;
        let width = people.iter().map(|one| one.email.len()).max().unwrap_or(0);
        for DemoPerson { email, password, allowed } in *people {
            let fate = if *allowed { "may enter" } else { "is turned away" };
            writeln!(f, "  {email:width$}  {password}  {fate}")?;
        }
        writeln!(
            f,
            "
Your browser will warn of the certificate once: usher signed it itself. Go on past the
warning, or make the authority known to your browser:

  {}

Watch in two tabs and send a message from one to the other; sign in as the other person;
see what usher knows of you at {url}/.pomerium/
Everything is kept in {}; delete the folder to begin anew.
Ctrl-C ends the demo.",
            ca_file.display(),
            data_dir.display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_keys() {
        let ann = DemoPerson { email: "ann@example.com", password: "pw-1".into(), allowed: true };
        let eve = DemoPerson { email: "e@example.com", password: "pw-2".into(), allowed: false };
        let told = Announcement {
            url: "https://cinema.localhost:8443",
            people: &[ann, eve],
            ca_file: Path::new("/d/ca.pem"),
            data_dir: Path::new("/d"),
            pid: 7,
        };
        let text = told.to_string();
        for expected in [
            "  https://cinema.localhost:8443/\n",
            "  ann@example.com  pw-1  may enter\n",
            "  e@example.com    pw-2  is turned away\n",
            "\n  /d/ca.pem\n",
            "stand-in",
            "Ctrl-C",
        ] {
            assert!(text.contains(expected), "{expected:?} in {text}");
        }
        let json: serde_json::Value = serde_json::from_str(&told.json()).unwrap();
        assert!(!told.json().contains('\n'), "one line");
        assert_eq!(
            json,
            serde_json::json!({
                "routes": [
                    { "name": "cinema", "url": "https://cinema.localhost:8443", "kind": "stand-in" }
                ],
                "people": [
                    { "email": "ann@example.com", "password": "pw-1", "allowed": true },
                    { "email": "e@example.com", "password": "pw-2", "allowed": false },
                ],
                "ca_file": "/d/ca.pem",
                "data_dir": "/d",
                "pid": 7,
            })
        );
    }
}
