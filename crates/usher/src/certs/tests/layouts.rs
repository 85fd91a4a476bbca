//! Folders as the usual ACME clients leave them, chains with a gap, and files of odd editors.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use usher_rules::plan::CertificateFiles;

use super::super::{CertError, diagnose, folder};
use super::{NOW, plan};

/// What an authority hands out: leaf, intermediate and root, and the leaf's key, in PEM.
struct Issued {
    leaf: String,
    intermediate: String,
    root: String,
    key: String,
}

fn issued(host: &str) -> Issued {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        (params, KeyPair::generate().unwrap())
    };
    let (root_params, root_key) = authority("Root of the test");
    let root = root_params.self_signed(&root_key).unwrap();
    let (middle, middle_key) = authority("Intermediate of the test");
    let issuer = Issuer::new(root_params, root_key);
    let intermediate = middle.signed_by(&middle_key, &issuer).unwrap();
    let issuer = Issuer::new(middle, middle_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Issued {
        leaf: leaf.pem(),
        intermediate: intermediate.pem(),
        root: root.pem(),
        key: key.serialize_pem(),
    }
}

fn lay_out(dir: &Path, files: &[(&str, String)]) {
    for (name, text) in files {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// Names of chain and key of each pair, below the folder.
fn found(dir: &Path) -> Vec<(String, String)> {
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    let pairs = folder::pairs(dir).unwrap();
    pairs.iter().map(|CertificateFiles { cert, key }| (name(cert), name(key))).collect()
}

#[test]
fn folders_of_the_usual_clients_are_read() {
    let Issued { leaf, intermediate, key, .. } = issued("open.test");
    let full = format!("{leaf}{intermediate}");
    let (l, i, f, k) = (|| leaf.clone(), || intermediate.clone(), || full.clone(), || key.clone());
    let both = format!("{key}{full}");
    for (client, files, chain, its_key) in [
        (
            "acme.sh",
            vec![
                ("open.test.cer", l()),
                ("open.test.key", k()),
                ("ca.cer", i()),
                ("fullchain.cer", f()),
            ],
            "fullchain.cer",
            "open.test.key",
        ),
        (
            "certbot live, the folder of one host",
            vec![
                ("cert.pem", l()),
                ("chain.pem", i()),
                ("fullchain.pem", f()),
                ("privkey.pem", k()),
            ],
            "fullchain.pem",
            "privkey.pem",
        ),
        (
            "certbot live",
            vec![
                ("README", i()),
                ("open.test/cert.pem", l()),
                ("open.test/chain.pem", i()),
                ("open.test/fullchain.pem", f()),
                ("open.test/privkey.pem", k()),
            ],
            "open.test/fullchain.pem",
            "open.test/privkey.pem",
        ),
        (
            "certbot archive",
            vec![
                ("cert1.pem", l()),
                ("chain1.pem", i()),
                ("fullchain1.pem", f()),
                ("privkey1.pem", k()),
            ],
            "fullchain1.pem",
            "privkey1.pem",
        ),
        (
            "lego",
            vec![
                ("open.test.crt", f()),
                ("open.test.issuer.crt", i()),
                ("open.test.json", i()),
                ("open.test.key", k()),
            ],
            "open.test.crt",
            "open.test.key",
        ),
        (
            "Caddy",
            vec![
                ("acme-v02/open.test/open.test.crt", f()),
                ("acme-v02/open.test/open.test.key", k()),
            ],
            "acme-v02/open.test/open.test.crt",
            "acme-v02/open.test/open.test.key",
        ),
        (
            "dehydrated",
            vec![
                ("open.test/cert-17.pem", l()),
                ("open.test/chain-17.pem", i()),
                ("open.test/fullchain-17.pem", f()),
                ("open.test/privkey-17.pem", k()),
            ],
            "open.test/fullchain-17.pem",
            "open.test/privkey-17.pem",
        ),
        (
            "win-acme",
            vec![
                ("open.test-chain-only.pem", i()),
                ("open.test-chain.pem", f()),
                ("open.test-crt.pem", l()),
                ("open.test-key.pem", k()),
            ],
            "open.test-chain.pem",
            "open.test-key.pem",
        ),
        (
            "Kubernetes",
            vec![
                ("..2026/tls.crt", l()),
                ("..2026/tls.key", k()),
                ("tls.crt", f()),
                ("tls.key", k()),
            ],
            "tls.crt",
            "tls.key",
        ),
        ("HAProxy", vec![("open.test.pem", both)], "open.test.pem", "open.test.pem"),
        (
            "Windows",
            vec![
                ("OPEN.CRT", format!("\u{feff}{}", f().replace('\n', "\r\n"))),
                ("OPEN.KEY", format!("\u{feff}{}", k())),
            ],
            "OPEN.CRT",
            "OPEN.KEY",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), &files);
        assert_eq!(found(dir.path()), [(chain.to_owned(), its_key.to_owned())], "{client}");
    }
}

#[test]
fn a_folder_that_gives_no_pair_is_told() {
    let Issued { leaf, key, root, .. } = issued("open.test");
    for (files, words) in [
        (vec![], "is empty"),
        (vec![("acme.json", "{}".to_owned())], "traefik-certs-dumper"),
        (vec![("a.pfx", "x".to_owned())], "openssl pkcs12"),
        (vec![("a.key", key)], "a private key and no certificate"),
        (vec![("a.crt", "DER".to_owned())], "no certificate in PEM"),
        (vec![("ca.crt", root)], "no certificate with its key"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        lay_out(dir.path(), &files);
        let mut plan = plan(&["open.test"], dir.path(), &[]);
        plan.listen.certificates_dir = Some(dir.path().to_owned());
        let told: Vec<String> = diagnose(&plan, NOW).iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    lay_out(dir.path(), &[("open.test.crt", leaf)]);
    let key = "open.test.key".to_owned();
    assert_eq!(found(dir.path()), [("open.test.crt".to_owned(), key)], "so that it is told");
}

#[test]
fn a_chain_with_a_gap_is_told() {
    let Issued { leaf, intermediate, root, key } = issued("open.test");
    for (chain, gap) in [
        (leaf.clone(), Some("Intermediate of the test")),
        (format!("{leaf}{intermediate}"), Some("Root of the test")),
        (format!("{leaf}{intermediate}{root}"), None),
    ] {
        for known in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            lay_out(dir.path(), &[("a.pem", chain.clone()), ("a.key", key.clone())]);
            let mut plan = plan(&["open.test"], dir.path(), &["a"]);
            plan.extra_roots.extend(known.then(|| root.as_bytes().into()));
            let gaps: Vec<String> = diagnose(&plan, NOW)
                .into_iter()
                .filter(|trouble| matches!(trouble, CertError::Gap { .. }))
                .map(|trouble| trouble.to_string())
                .collect();
            let expected = gap.filter(|name| !(known && name.starts_with("Root")));
            assert_eq!(gaps.len(), usize::from(expected.is_some()), "{gaps:?}");
            assert!(
                gaps.iter().all(|told| told.contains(expected.unwrap_or_default())),
                "{gaps:?}"
            );
        }
    }
}

#[test]
fn pem_with_a_byte_order_mark_is_served() {
    let Issued { leaf, intermediate, key, .. } = issued("open.test");
    let utf16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    let marked = format!("\u{feff}{leaf}\u{feff}{intermediate}");
    for (chain, key) in [
        (marked.clone().into_bytes(), format!("\u{feff}{key}").into_bytes()),
        (marked.replace('\n', "\r\n").into_bytes(), key.replace('\n', "\r\n").into_bytes()),
        (utf16(&format!("{leaf}{intermediate}")), utf16(&key)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.pem"), chain).unwrap();
        fs::write(dir.path().join("a.key"), key).unwrap();
        let files =
            CertificateFiles { cert: dir.path().join("a.pem"), key: dir.path().join("a.key") };
        let pair = super::super::pair::Pair::from_files(&files, NOW).unwrap();
        assert_eq!(pair.key.cert.len(), 2);
    }
}
