//! Configs as a whole: what becomes of a file, and what operators see.

#![allow(unreachable_pub)] // a test is a program of its own
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::wildcard_enum_match_arm)] // over serde_json's values, not over our own enums

mod binary;
mod cases;
mod compat;
mod covered;
mod effective;
mod effects;
mod every_key;
mod examples;
mod hidden;
mod idn;
mod idp_values;
mod items;
mod jellyfin_values;
mod laws;
mod mtls;
mod openid_values;
mod reference;
mod schema;
mod show;
mod smtp_values;
mod stand_in;
mod times;
mod values;

use std::collections::BTreeMap;

use usher_rules::{
    config::{self, Environment, Files, Input},
    plan::{self, Plan},
    problem::Problem,
};

/// Code of a name of guides, which most configs here are written with.
const PLACEHOLDER: &str = "U506";

/// Files that exist only here.
#[derive(Default)]
struct Shelf(BTreeMap<String, Vec<u8>>);

impl Files for Shelf {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.get(path).cloned().ok_or_else(|| "no such file".to_owned())
    }
}

/// Compiles a text under a file's name.
fn compile(
    name: Option<&str>,
    text: &str,
    env: &Environment,
    files: &Shelf,
) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
    plan::compile(config::read(Input { name, text }, env), files)
}
