//! Decisions that are kept, to be explained later, or made anew under another config.

use serde::{Deserialize, Serialize};
use usher_rules::{
    plan::KeptDecisions,
    policy::Verdict,
    session::{SessionId, SignedIn},
};

use super::{By, Decided, Judgement};
use crate::request::authorize::AskedOnRecord;

/// No longer line is kept, in octets: who sends a claim of a megabyte has their decisions in the
/// log alone.
const LONGEST: usize = 64 * 1024;

/// A decision with all that was asked: a line in the data directory. It holds no query, cookie,
/// token, and no session that could be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptDecision {
    /// The request's id.
    pub request_id: String,
    /// The id of the plan that decided.
    pub plan: String,
    /// The route's name.
    pub route: String,
    /// By its word.
    pub verdict: String,
    /// By which rule.
    pub rule: String,
    /// All that the policy looked at beside the person.
    pub asked: AskedOnRecord,
    /// Who asked; `None` for nobody who was signed in.
    pub who: Option<SignedIn>,
}

impl KeptDecision {
    /// Reads a line; `None` where it is none of ours.
    pub fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// A word that is none of ours lets nobody in.
    pub fn verdict(&self) -> Verdict {
        Verdict::of_word(&self.verdict).unwrap_or(Verdict::Deny)
    }

    fn of(decided: &Decided<'_>, Judgement { decision, asked, .. }: Judgement<'_>) -> Self {
        Self {
            request_id: decided.request_id.into(),
            plan: decided.plan.id.to_string(),
            route: decided.route.map_or_else(String::new, |route| route.name.to_string()),
            verdict: decision.verdict.word().into(),
            rule: decision.rule.to_string(),
            asked: asked.into(),
            who: decided.who().map(without_handle),
        }
    }
}

/// Without what leads to the session, and without what the provider signed.
fn without_handle(who: &SignedIn) -> SignedIn {
    let mut who = who.clone();
    who.session.id = SessionId::from_random([0; 16]);
    who.session.id_token = None;
    who
}

impl Decided<'_> {
    /// Is it one of those that the plan has kept?
    pub(super) fn is_kept(&self) -> bool {
        let By::Policy(judgement) = self.by else { return false };
        match self.plan.kept_decisions {
            KeptDecisions::None => false,
            KeptDecisions::All => true,
            // Strangers who have yet to sign in are no refusal, and could fill the disk.
            KeptDecisions::Refused => match judgement.decision.verdict {
                Verdict::Deny
                | Verdict::SignInAgain
                | Verdict::ShowPasskey
                | Verdict::ShowDevice => true,
                Verdict::Allow | Verdict::SignIn | Verdict::ShowCertificate => false,
            },
        }
    }

    /// Its line among those that are kept.
    pub(super) fn keep(&self, out: &mut Vec<u8>) {
        let By::Policy(judgement) = self.by else { return };
        let Ok(line) = serde_json::to_vec(&KeptDecision::of(self, judgement)) else { return };
        if line.len() <= LONGEST {
            out.extend_from_slice(&line);
            out.push(b'\n');
        }
    }
}
