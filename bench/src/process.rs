//! What the kernel knows about a process: its memory and its CPU time.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::Duration,
};

use crate::failure::Failure;

/// A process we started; ended when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(Failure::io(program))?;
        Ok(Self { child })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Resident memory now, in KiB.
    pub fn resident(&self) -> Result<u64, Failure> {
        self.status("VmRSS:")
    }

    /// Proportional set size of the whole process tree now, in KiB (`proc(5)`, `smaps_rollup`).
    pub fn proportional(&self) -> Result<u64, Failure> {
        self.rollup("Pss:")
    }

    /// Memory of the whole process tree now that is no file's, in KiB: what it has written itself.
    pub fn anonymous(&self) -> Result<u64, Failure> {
        self.rollup("Anonymous:")
    }

    fn rollup(&self, name: &str) -> Result<u64, Failure> {
        let own = tree(self.id())?;
        own.into_iter()
            .map(|id| {
                let file = PathBuf::from(format!("/proc/{id}/smaps_rollup"));
                let text = fs::read_to_string(&file).map_err(Failure::io("smaps_rollup"))?;
                field(&text, name).ok_or(Failure::Proc(file))
            })
            .sum()
    }

    /// The most resident memory since [`Self::forget_peak`], in KiB.
    pub fn peak(&self) -> Result<u64, Failure> {
        self.status("VmHWM:")
    }

    /// Makes the present the peak (`proc(5)`, `clear_refs`).
    pub fn forget_peak(&self) -> Result<(), Failure> {
        fs::write(self.proc("clear_refs"), "5").map_err(Failure::io("clear_refs"))
    }

    /// CPU time of the whole process tree so far, user and system, ended threads included.
    pub fn cpu(&self) -> Result<Duration, Failure> {
        tree(self.id())?.into_iter().map(cpu_of).sum()
    }

    fn status(&self, field: &str) -> Result<u64, Failure> {
        let file = self.proc("status");
        let text = fs::read_to_string(&file).map_err(Failure::io("status"))?;
        self::field(&text, field).ok_or(Failure::Proc(file))
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx ends its workers on SIGTERM; SIGKILL would leave them behind
        let _ = Command::new("kill").arg(self.id().to_string()).status();
        for _ in 0..100 {
            if self.ended() {
                return;
            }
            pause(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many files this program, and whatever it starts, may have open: as many as may be asked for.
pub fn files_at_most() -> Result<usize, Failure> {
    let read = || fs::read_to_string("/proc/self/limits").map_err(Failure::io("limits"));
    let hard = files_in(&read()?).map(|(_, hard)| hard).unwrap_or_default();
    let (own, most) = (std::process::id().to_string(), format!("--nofile={hard}:{hard}"));
    let _stays_as_it_is = Command::new("prlimit").args(["--pid", &own, &most]).status();
    files_in(&read()?)
        .and_then(|(soft, _)| soft.parse().ok())
        .ok_or_else(|| Failure::Proc("/proc/self/limits".into()))
}

/// The soft and the hard limit on open files (`proc(5)`).
fn files_in(limits: &str) -> Option<(String, String)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace().map(str::to_owned);
    Some((words.next()?, words.next()?))
}

/// The figure behind a name, in whatever unit stands behind it.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// Waits: for another process, whose clock nobody turns.
#[expect(clippy::disallowed_methods, reason = "another process keeps its own time")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// CPU time of this program so far, user and system.
pub fn own_cpu() -> Result<Duration, Failure> {
    cpu_of(std::process::id())
}

/// `utime` and `stime` (`proc(5)`, fields 14 and 15), in ticks of 10 ms.
fn cpu_of(id: u32) -> Result<Duration, Failure> {
    let file = PathBuf::from(format!("/proc/{id}/stat"));
    let text = fs::read_to_string(&file).map_err(Failure::io("stat"))?;
    let ticks: Option<u64> = after_name(&text).map(|fields| {
        fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
    });
    ticks.map(|ticks| Duration::from_millis(ticks * 10)).ok_or(Failure::Proc(file))
}

/// What stands after the program's name, which may hold spaces and parentheses.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(") ").map(|(_, fields)| fields)
}

/// Sends `signal` to all that this program started and that have not ended; how many those are.
pub fn tell_all(signal: &str) -> usize {
    let own = std::process::id();
    let started = tree(own).unwrap_or_default();
    let alive: Vec<u32> = started.into_iter().filter(|id| *id != own && is_alive(*id)).collect();
    for id in &alive {
        let _ended_meanwhile = Command::new("kill").args([signal, &id.to_string()]).output();
    }
    alive.len()
}

/// Whether it has not ended yet, as a process that nobody has asked after has (`Z`, field 3).
fn is_alive(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    after_name(&stat).is_some_and(|fields| !fields.starts_with('Z'))
}

/// A process and all that it started, and what those started.
fn tree(root: u32) -> Result<Vec<u32>, Failure> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        found.extend(children(*parent)?);
        at += 1;
    }
    Ok(found)
}

fn children(parent: u32) -> Result<Vec<u32>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").map_err(Failure::io("/proc"))?.flatten() {
        let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(id) = id.filter(|id| parent_of(*id) == Some(parent)) {
            found.push(id);
        }
    }
    Ok(found)
}

/// `ppid`, field 4; `None` when the process ended meanwhile.
fn parent_of(id: u32) -> Option<u32> {
    let text = fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    after_name(&text)?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to_work() {
        let mut busy =
            Process::start(Command::new("sh").args(["-c", "while :; do :; done"])).unwrap();
        while busy.cpu().unwrap() < Duration::from_millis(20) {
            assert!(!busy.ended());
        }
        assert!(busy.resident().unwrap() > 0);
        assert!((1..=busy.resident().unwrap()).contains(&busy.anonymous().unwrap()));
        busy.forget_peak().unwrap();
        assert!(busy.peak().unwrap() >= busy.resident().unwrap() / 2);
    }

    #[test]
    fn what_a_child_of_a_child_does_counts() {
        let words = ["-c", "sh -c '(while :; do :; done) & wait' & wait"];
        let far = Process::start(Command::new("sh").args(words)).unwrap();
        while far.cpu().unwrap() < Duration::from_millis(50) {}
        for child in tree(far.id()).unwrap().into_iter().rev() {
            Command::new("kill").args(["-KILL", &child.to_string()]).status().unwrap();
        }
    }

    #[test]
    fn limits_on_files() {
        let limits =
            "Max processes  7  8  processes\nMax open files            1024       20000    files\n";
        assert_eq!(files_in(limits), Some(("1024".into(), "20000".into())));
        assert!(files_at_most().unwrap() > 0);
    }

    #[test]
    fn names_with_parentheses() {
        let stat = "42 (a) b (c)) S 7 42";
        assert_eq!(after_name(stat), Some("S 7 42"));
    }
}
