//! Would the server that takes mail for us take it? It is asked as far as that goes without a letter.

use std::time::Duration;

use lettre::transport::smtp::commands::Mail;
use tokio::time::{Instant, timeout, timeout_at};
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

/// How long it may take to take leave of us.
const FAREWELL: Duration = Duration::from_secs(1);

/// Speaks with it as before a letter, says whom one would be from, and leaves. Nothing is sent.
///
/// # Errors
///
/// [`MailRefusal`].
pub async fn try_mail(plan: &Plan, smtp: &Smtp, patience: Duration) -> Result<(), MailRefusal> {
    let until = Instant::now() + patience;
    let mut server = step(until, greeted(plan, smtp), MailRefusal::Away).await?;
    step(until, log_in(&mut server, smtp), MailRefusal::Login).await?;
    let from = sender(smtp).map_err(|why| at(why, MailRefusal::Sender))?;
    let mail = Mail::new(Some(from), Vec::new());
    let taken = async { server.command(mail).await.map_err(not_now) };
    step(until, taken, MailRefusal::Sender).await?;
    let _nothing_was_begun = timeout(FAREWELL, server.quit()).await; // RFC 5321 §4.1.1.10
    Ok(())
}

/// What takes too long is told of the step that it was in: many servers let a wrong password wait.
async fn step<T>(
    until: Instant,
    taken: impl Future<Output = Result<T, NotSent>>,
    refused: fn(String) -> MailRefusal,
) -> Result<T, MailRefusal> {
    let slow = || refused("it did not answer in time".to_owned());
    timeout_at(until, taken).await.map_err(|_| slow())?.map_err(|why| at(why, refused))
}

/// What is refused for good is refused to what was said last.
fn at(why: NotSent, refused: fn(String) -> MailRefusal) -> MailRefusal {
    match why {
        NotSent::Away(why) => MailRefusal::Away(why),
        NotSent::NotNow(why) => MailRefusal::NotNow(why),
        NotSent::Refused(why) => refused(why),
    }
}
