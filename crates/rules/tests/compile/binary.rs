//! Files that hold what was asked for, in another dress.

use usher_rules::{
    config::{self, Environment, Files, Input},
    plan,
};

struct Der;

impl Files for Der {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Ok(vec![0x30, 0x82, 0x01, 0x0a, 0x02, 0x01, 0x00])
    }
}

#[test]
fn a_binary_file_in_the_place_of_pem_is_told_with_its_cure() {
    let text = "certificate_file: a.der
certificate_key_file: a.key
certificate_authority_file: ca.der
routes:
- from: https://open.test
  to: http://127.0.0.1:1
  allow_public_unauthenticated_access: true
";
    let draft = config::read(Input { name: None, text }, &Environment::new());
    let problems = match plan::compile(draft, &Der) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    let told = problems.iter().filter(|p| p.code == "U213" && p.help.contains("openssl"));
    assert!(told.count() >= 2, "{problems:?}");
}
