//! Stands in for what compiles Rego, so that its key has an effect where nothing runs it.

use std::sync::Arc;

use usher_rules::policy::{
    Facts,
    rego::{Answer, Compiled, Compiler, Module, Unanswered},
};

/// Takes every text for a module that says nothing.
pub struct StandIn;

#[derive(Debug)]
struct Text {
    /// Told apart by what they print.
    #[expect(dead_code, reason = "printed")]
    text: String,
}

impl Compiler for StandIn {
    fn compile(&self, text: &str) -> Compiled {
        Compiled { module: Some(Arc::new(Text { text: text.to_owned() })), mistakes: Vec::new() }
    }
}

impl Module for Text {
    fn ask(&self, _: &Facts<'_>) -> Result<Answer, Unanswered> {
        Ok(Answer::default())
    }

    fn asks_for_fields(&self) -> bool {
        false
    }
}
