//! stub
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used)]
use std::{path::{Path, PathBuf}, sync::Arc, collections::HashMap};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::sign::CertifiedKey;
use usher_rules::{plan::{Level, Plan}, time::UnixTime};
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct CertError;
impl CertError { pub fn hint(&self) -> String { String::new() } pub fn level(&self) -> Level { Level::Warn } }
#[derive(Debug)]
pub struct Authority { file: PathBuf, key: String, pem: String }
impl Authority {
    pub fn open(d: &Path, _: UnixTime) -> Result<Self, CertError> {
        let dir = d.join("authority"); std::fs::create_dir_all(&dir).unwrap();
        let (file, keyf) = (dir.join("ca.pem"), dir.join("ca.key"));
        if !file.exists() {
            let key = KeyPair::generate().unwrap();
            let mut p = CertificateParams::default();
            p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            p.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            p.distinguished_name.push(rcgen::DnType::CommonName, "Usher local authority");
            let c = p.self_signed(&key).unwrap();
            std::fs::write(&file, c.pem()).unwrap(); std::fs::write(&keyf, key.serialize_pem()).unwrap();
        }
        Ok(Self { key: std::fs::read_to_string(&keyf).unwrap(), pem: std::fs::read_to_string(&file).unwrap(), file })
    }
    pub fn ca_file(&self) -> &Path { &self.file }
}
#[derive(Debug)]
pub struct Certificates(HashMap<String, Arc<CertifiedKey>>);
impl Certificates {
    pub fn load(plan: &Plan, a: Arc<Authority>, _: UnixTime) -> (Self, Vec<CertError>) {
        let mut m = HashMap::new();
        let key = KeyPair::from_pem(&a.key).unwrap();
        let iss = Issuer::from_ca_cert_pem(&a.pem, key).unwrap();
        let mut names: Vec<String> = plan.hosts.exact_hosts().map(|h| h.to_string()).collect();
        names.push(plan.sign_in.authenticate.host.to_string());
        for n in names {
            let k = KeyPair::generate().unwrap();
            let c = CertificateParams::new(vec![n.clone()]).unwrap().signed_by(&k, &iss).unwrap();
            let der = rustls::pki_types::PrivateKeyDer::try_from(k.serialize_der()).unwrap();
            let ck = CertifiedKey::from_der(vec![c.der().clone()], der, &rustls::crypto::aws_lc_rs::default_provider()).unwrap();
            m.insert(n, Arc::new(ck));
        }
        (Self(m), vec![])
    }
    pub fn renew(&self, _: UnixTime) {}
}
impl crate::request::tls::CertSource for Certificates { fn certificate(&self, n: Option<&str>) -> Option<Arc<CertifiedKey>> { n.and_then(|n| self.0.get(n)).or_else(|| self.0.values().next()).cloned() } }
