//! stub
use rustls::sign::CertifiedKey;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use usher_rules::{
    plan::{Level, Plan},
    time::UnixTime,
};
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct CertError;
impl CertError {
    pub fn hint(&self) -> String {
        String::new()
    }
    pub fn level(&self) -> Level {
        Level::Warn
    }
}
#[derive(Debug)]
pub struct Authority(PathBuf);
impl Authority {
    pub fn open(d: &Path, _: UnixTime) -> Result<Self, CertError> {
        Ok(Self(d.into()))
    }
    pub fn ca_file(&self) -> &Path {
        &self.0
    }
}
#[derive(Debug)]
pub struct Certificates;
impl Certificates {
    pub fn load(_: &Plan, _: Arc<Authority>, _: UnixTime) -> (Self, Vec<CertError>) {
        (Self, vec![])
    }
    pub fn renew(&self, _: UnixTime) {}
}
impl crate::request::tls::CertSource for Certificates {
    fn certificate(&self, _: Option<&str>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
