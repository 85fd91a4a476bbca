//! stub
use std::path::PathBuf;
pub struct Watch;
impl Watch {
    pub fn new(_: Vec<PathBuf>) -> Self {
        Self
    }
    pub fn follow(&mut self, _: Vec<PathBuf>) {}
    pub async fn changed(&mut self) {
        std::future::pending().await
    }
}
