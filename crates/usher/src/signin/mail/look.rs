//! Would the server that takes mail for us take it? It is asked as far as that goes without a letter.

use std::time::Duration;

use lettre::transport::smtp::commands::Mail;
use tokio::time::timeout;
use usher_rules::plan::{Plan, Smtp};

use super::smtp::{NotSent, greeted, log_in, not_now, sender};

/// What a server for mail says no to; and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailRefusal {
    /// It can't be spoken with, or its TLS does not hold.
    Away(String),
    /// Our name and password.
    Login(String),
    /// Mail from `smtp.from`.
    Sender(String),
    /// Anything, for now.
    NotNow(String),
}

/// Speaks with it as before a letter, says whom one would be from, and leaves. Nothing is sent.
///
/// # Errors
///
/// [`MailRefusal`].
pub async fn try_mail(plan: &Plan, smtp: &Smtp, patience: Duration) -> Result<(), MailRefusal> {
    let look = async {
        let mut server = greeted(plan, smtp).await.map_err(|why| at(why, MailRefusal::Away))?;
        let known = log_in(&mut server, smtp).await;
        known.map_err(|why| at(why, MailRefusal::Login))?;
        let from = sender(smtp).map_err(|why| at(why, MailRefusal::Sender))?;
        let taken = server.command(Mail::new(Some(from), Vec::new())).await;
        taken.map_err(|error| at(not_now(error), MailRefusal::Sender))?;
        let _nothing_was_begun = server.quit().await; // RFC 5321 §4.1.1.10
        Ok(())
    };
    let slow = || MailRefusal::Away("it did not answer in time".to_owned());
    timeout(patience, look).await.unwrap_or_else(|_| Err(slow()))
}

/// What is refused for good is refused to what was said last.
fn at(why: NotSent, refused: fn(String) -> MailRefusal) -> MailRefusal {
    match why {
        NotSent::Away(why) => MailRefusal::Away(why),
        NotSent::NotNow(why) => MailRefusal::NotNow(why),
        NotSent::Refused(why) => refused(why),
    }
}
