//! What the operator is told each day that nobody else would notice in time.

use std::{sync::Arc, time::Duration};

use usher_rules::{plan::Plan, time::UnixTime};

use super::acme_log::AcmeLog;
use crate::certs::untimely;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked whether a day has passed: clocks jump, and machines sleep.
const LOOK: Duration = Duration::from_secs(60);

/// Tells each day which certificates that visitors don't see have ended or end soon (U217). What was
/// so at the start was told then, and at each reload.
pub(super) async fn tell_untimely(plan: impl Fn() -> Arc<Plan>, log: AcmeLog) {
    let mut every = tokio::time::interval(LOOK);
    let mut told_at = is_due(None, log.clock.now().wall);
    loop {
        every.tick().await;
        let now = log.clock.now().wall;
        let Some(at) = is_due(told_at, now) else { continue };
        told_at = Some(at);
        for shown in untimely(&plan(), now) {
            log.untimely(&shown);
        }
    }
}

/// The time at which it is told again; `None` where it was told within a day, or where a clock that
/// is not set knows nothing of days.
fn is_due(told_at: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
    let is_due = told_at.is_none_or(|at| at > now || now.since(at) >= DAY);
    (now.is_plausible() && is_due).then_some(now)
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::Arc, time::Duration};

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use rcgen::{CertificateParams, DnType, KeyPair};
    use usher_lab::{clock::TurnedClock, lines::Lines};
    use usher_rules::{
        config::{Environment, Input, NoFiles, read},
        plan::{Plan, compile},
        time::Clock,
    };

    use super::{AcmeLog, DAY, tell_untimely};
    use crate::request::record::{Format, Log, Recorder};

    /// A certificate of this name that counts from 90 days ago for so many days more.
    fn pem(name: &str, days: i64) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["usher.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::days(90);
        params.not_after = now + time::Duration::days(days);
        (params.self_signed(&key).unwrap().pem(), key)
    }

    fn plan() -> Arc<Plan> {
        let (client, key) = pem("client", 20);
        let (key, client) = (STANDARD.encode(key.serialize_pem()), STANDARD.encode(client));
        let bundle = STANDARD.encode(pem("old", 20).0 + &pem("lasting", 400).0);
        // An authority that is replaced beside itself, as operators do it, is nobody's trouble.
        let renewed = STANDARD.encode(pem("same", 20).0 + &pem("same", 400).0);
        let text = format!(
            "certificate_authority: {renewed}\nroutes:\n- from: https://a.test\n  \
             to: https://b.test\n  allow_public_unauthenticated_access: true\n  \
             tls_client_cert: {client}\n  tls_client_key: {key}\n  tls_custom_ca: {bundle}\n"
        );
        let read = read(Input { name: None, text: &text }, &Environment::new());
        Arc::new(compile(read, &NoFiles).unwrap().0)
    }

    /// At the start nothing was the matter; months later a door that runs on was silent.
    #[tokio::test(start_paused = true)]
    async fn a_certificate_for_an_upstream_that_ends_while_we_run_is_told_of_each_day() {
        let (lines, clock) = (Lines::default(), TurnedClock::new());
        let recorder = Recorder::new([Log::new(lines.clone(), Format::Json)]);
        let by = Arc::<TurnedClock>::clone(&clock);
        let log = AcmeLog { recorder: recorder.clone(), clock: by as Arc<dyn Clock> };
        let plan = plan();
        let mut watch = pin!(tell_untimely(move || Arc::clone(&plan), log));
        let mut told_after = async |days: u32| {
            clock.turn(DAY * days);
            tokio::select! {
                () = &mut watch => unreachable!("it goes on"),
                () = tokio::time::sleep(Duration::from_secs(3600)) => {} // of the paused clock
            }
            recorder.flush();
            lines.take()
        };
        assert_eq!(told_after(1).await, "", "all of them count for weeks");
        let ends = told_after(6).await;
        assert_eq!(ends.lines().count(), 2, "{ends}");
        for (whose, line) in ["tls_client_cert", "tls_custom_ca"].into_iter().zip(ends.lines()) {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&event["message"], &event["level"]),
                (&"certificate-ends".into(), &"warn".into())
            );
            let what = event["what"].as_str().unwrap();
            assert!(what.contains(whose) && what.contains(" ends on "), "{event}");
        }
        assert!(ends.contains("old") && !ends.contains("lasting"), "{ends}");
        assert_eq!(told_after(0).await, "", "once a day");
        let ended = told_after(14).await;
        assert_eq!(ended.matches("has ended on ").count(), 2, "{ended}");
    }
}
