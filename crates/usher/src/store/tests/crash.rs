//! `kill -9` at any moment loses no session and no person.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;
use usher_rules::{people::People, session::SessionId};

use super::{find, member, secret};
use crate::{
    request::identify::{SessionStore, contract::session},
    store::Store,
};

const DIR: &str = "USHER_CRASH_TEST_DIR";
const CHILD: &str = "store::tests::crash::child_that_writes_until_it_is_killed";
const KILLS: usize = 20;

/// Not a test: what [`kill_9_loses_nothing_that_was_answered`] starts and kills.
#[test]
#[ignore = "runs as the child of kill_9_loses_nothing_that_was_answered"]
fn child_that_writes_until_it_is_killed() {
    let dir = std::env::var_os(DIR).expect("started by the test");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir)).unwrap();
        // Several at once, so that the kill falls into batches.
        let write = async |lane: u8| {
            for _ in 0_u64.. {
                let random = *uuid::Uuid::new_v4().as_bytes();
                let id = SessionId::from_random(random);
                let person = format!("{lane}-{}", id.as_str());
                store.add(member(&person, &[]), secret("$hash")).await.unwrap();
                say(&format!("person {person}"));
                let mut written = session(0, &person);
                written.session.id = id;
                store.insert(written.clone()).await.unwrap();
                say(&format!("session {}", written.session.id.as_str()));
                if random[0] < 64 {
                    store.end(&written.session.id).await.unwrap();
                    say(&format!("ended {}", written.session.id.as_str()));
                }
            }
        };
        tokio::join!(write(0), write(1), write(2), write(3));
    });
}

/// Past the test harness, which would keep it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_answered() {
    let dir = TempDir::new().unwrap();
    let mut answered: Vec<String> = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([CHILD, "--exact", "--ignored", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A different number of answers each time; the moment of the kill is the scheduler's.
        let mut wanted = kill * 7 % 40 + 1;
        while wanted > 0 {
            let line = lines.next().expect("it writes until it is killed").unwrap();
            wanted -= usize::from(note(line, &mut answered));
        }
        child.kill().unwrap(); // SIGKILL
        for line in lines.map_while(Result::ok) {
            note(line, &mut answered);
        }
        child.wait().unwrap();
        check(dir.path(), &answered).await;
    }
    assert!(answered.len() > KILLS, "{} answers", answered.len());
}

/// Keeps a line of the child's that is an answer.
fn note(line: String, answered: &mut Vec<String>) -> bool {
    let is_answer = ["person ", "session ", "ended "].iter().any(|kind| line.starts_with(kind));
    if is_answer {
        answered.push(line);
    }
    is_answer
}

async fn check(dir: &Path, answered: &[String]) {
    let store = Store::open(dir).expect("whole after a kill");
    for line in answered {
        let (kind, name) = line.split_once(' ').unwrap();
        let is_kept = match kind {
            "person" => People::find(&store, name).await.unwrap().is_some(),
            "session" if answered.contains(&format!("ended {name}")) => continue,
            // An end may have been written and not yet answered: then it was asked for.
            "session" => {
                let id = SessionId::parse(name).unwrap();
                find(&store, &id).is_some() || id.as_str() < "40"
            }
            _ => find(&store, &SessionId::parse(name).unwrap()).is_none(),
        };
        assert!(is_kept, "{line}");
    }
}
