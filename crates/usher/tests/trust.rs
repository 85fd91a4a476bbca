//! `usher trust` as a person runs it: a home with browsers in it, a system's folder for roots, and
//! openssl, which judges what was made.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

const NICKNAME: &str = "usher local authority";

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: TempDir::new().unwrap() };
        for folder in ["home/.pki/nssdb", "home/.mozilla/firefox/x1.default"] {
            let store = place.path(folder);
            fs::create_dir_all(&store).unwrap();
            let made = Command::new("certutil")
                .args(["-N", "--empty-password", "-d", &format!("sql:{store}")])
                .output()
                .unwrap_or_else(|error| {
                    panic!("certutil: {error}\nhint: apt-get install libnss3-tools")
                });
            assert!(made.status.success());
        }
        fs::create_dir_all(place.path("system/usr/local/share/ca-certificates")).unwrap();
        place
    }

    fn path(&self, of: &str) -> String {
        self.folder.path().join(of).display().to_string()
    }

    fn usher(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_usher"))
            .args(arguments)
            .args(["--data-dir", &self.path("data")])
            .env("HOME", self.path("home"))
            .output()
            .unwrap()
    }

    fn trust(&self, arguments: &[&str]) -> (bool, String) {
        let system = self.path("system");
        let output = self.usher(&[&["trust", "--system", &system], arguments].concat());
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    fn lists(&self, store: &str) -> bool {
        let store = format!("sql:{}", self.path(store));
        let output = Command::new("certutil").args(["-L", "-d", &store]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(NICKNAME)
    }

    /// Makes the authority as the first start does.
    fn with_authority(&self, hosts: &[&str]) {
        let hosts: Vec<Box<str>> = hosts.iter().map(|host| (*host).into()).collect();
        fs::create_dir_all(self.path("data")).unwrap();
        let now = usher_rules::time::UnixTime::from_seconds(now());
        let dir = self.path("data");
        usher::certs::Authority::open(Path::new(&dir), &hosts, now).unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "openssl judges by it")]
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[test]
fn the_system_and_every_browser_trust_it_and_forget_it_again() {
    let place = Place::new();
    let (good, said) = place.trust(&[]);
    assert!(!good && said.contains("made at the first start of `usher run`"), "{said}");

    place.with_authority(&["tv.example.com"]);
    let (good, said) = place.trust(&["--print"]);
    assert!(good && said.contains("authority/ca.pem") && said.contains("SHA-256 "), "{said}");
    let stores = ["home/.pki/nssdb", "home/.mozilla/firefox/x1.default"];
    assert!(!place.lists(stores[0]), "printing changes nothing");

    let (good, said) = place.trust(&[]);
    assert!(good, "{said}");
    assert!(said.contains("TVs and Chromecast take no authority of yours"), "{said}");
    for store in stores {
        assert!(place.lists(store), "{store}: {said}");
    }
    let root = place.path("system/usr/local/share/ca-certificates/usher-local-authority.crt");
    assert_eq!(fs::read(&root).unwrap(), fs::read(place.path("data/authority/ca.pem")).unwrap());

    let (good, said) = place.trust(&["--uninstall"]);
    assert!(good, "{said}");
    assert!(!Path::new(&root).exists() && !stores.iter().any(|store| place.lists(store)));
    assert!(place.trust(&["--uninstall"]).0, "gone already is as good");
}

#[test]
fn what_can_t_be_done_is_said_with_the_command_that_does_it() {
    let place = Place::new();
    place.with_authority(&[]);
    let folder = place.path("system/usr/local/share/ca-certificates");
    fs::remove_dir(&folder).unwrap();
    let (good, said) = place.trust(&[]);
    assert!(!good && said.contains("add the file above to its roots by hand"), "{said}");
    // A folder that can't be written to: another file's name.
    fs::create_dir_all(format!("{folder}/usher-local-authority.crt")).unwrap();
    let (good, said) = place.trust(&[]);
    assert!(!good && said.contains("by hand: sudo cp"), "{said}");
    // Debian's command leaves links to what is gone without the last word.
    let (good, said) = place.trust(&["--uninstall"]);
    assert!(!good && said.contains("&& sudo update-ca-certificates --fresh"), "{said}");
}

#[test]
fn a_new_authority_is_made_when_it_is_asked_for() {
    let place = Place::new();
    place.with_authority(&["tv.films.net"]);
    let root = place.path("data/authority/ca.pem");
    let first = fs::read(&root).unwrap();
    let (good, said) = place.trust(&["--renew"]);
    assert!(good && said.contains("restart usher"), "{said}");
    let aside = place.path("data/authority.old-1/ca.pem");
    assert_eq!(fs::read(aside).unwrap(), first, "nothing is lost");
    let (good, said) = place.trust(&["--renew"]);
    assert!(!good && said.contains("first start of `usher run`"), "{said}");
    place.with_authority(&["tv.films.org"]);
    assert_ne!(fs::read(&root).unwrap(), first);
    assert!(place.trust(&["--renew"]).0);
    assert!(Path::new(&place.path("data/authority.old-2/ca.key")).exists());
}

/// RFC 5280 §4.2.1.10, as openssl reads it.
#[test]
fn the_root_is_narrow_and_openssl_agrees() {
    let place = Place::new();
    place.with_authority(&["tv.films.net"]);
    let text = Command::new("openssl")
        .args(["x509", "-noout", "-text", "-in", &place.path("data/authority/ca.pem")])
        .output()
        .unwrap_or_else(|error| panic!("openssl: {error}\nhint: apt-get install openssl"));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in ["CA:TRUE, pathlen:0", "X509v3 Name Constraints: critical", "DNS:films.net"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}
