//! Every complete file in `config/` and `deploy/` compiles, as it stands; the names in it are all that is warned of.

use std::{fs, path::Path};

use usher_rules::config::Environment;

use crate::{PLACEHOLDER, Shelf, compile};

#[test]
fn every_example_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = vec![root.join("deploy/usher/config.yaml")];
    paths.extend(fs::read_dir(root.join("config")).unwrap().map(|entry| entry.unwrap().path()));
    let mut seen = 0;
    for path in paths {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut files = Shelf::default();
        for (name, bytes) in [
            ("/run/secrets/idp_client_secret", &b"secret"[..]),
            ("/etc/usher/tls/fullchain.pem", b"-----BEGIN CERTIFICATE-----\n"),
            ("/etc/usher/tls/privkey.pem", b"-----BEGIN PRIVATE KEY-----\n"),
        ] {
            files.0.insert(name.to_owned(), bytes.to_vec());
        }
        let (plan, warnings) = compile(Some("config.yaml"), &text, &Environment::new(), &files)
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
        let others: Vec<_> = warnings.iter().filter(|it| it.code != PLACEHOLDER).collect();
        assert!(others.is_empty(), "{}: {others:?}", path.display());
        assert!(others.len() < warnings.len(), "{}: whose host is that?", path.display());
        assert!(!plan.routes.is_empty(), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples were found");
}
