//! How much of its time a core had nothing to do, as the kernel counts it.

use std::fs;

/// Ticks of a core since the system began (`proc(5)`, `/proc/stat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    idle: u64,
    all: u64,
}

impl Ticks {
    /// Until now; `None` where the kernel doesn't say.
    pub fn of(core: u32) -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?, core)
    }

    fn read(stat: &str, core: u32) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")))?;
        // user, nice, system, idle, iowait, irq, softirq, steal; what guests get is in user and nice
        let ticks: Vec<u64> = line.split(' ').take(8).map_while(|it| it.parse().ok()).collect();
        let idle = ticks.iter().skip(3).take(2).sum();
        (ticks.len() == 8).then(|| Self { idle, all: ticks.iter().sum() })
    }

    /// How many percent of the time since then it was idle.
    pub fn idle_since(self, earlier: Self) -> Option<f64> {
        let all = self.all.saturating_sub(earlier.all);
        let idle = self.idle.saturating_sub(earlier.idle);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = idle as f64 / all as f64 * 100.0;
        (all > 0).then_some(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says() {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 10 0 10 70 10 0 0 0 9 9\n";
        let [first, second] = [0, 1].map(|core| Ticks::read(stat, core).unwrap());
        assert_eq!(first, Ticks { idle: 9, all: 36 });
        assert_eq!(second, Ticks { idle: 80, all: 100 });
        assert_eq!(second.idle_since(Ticks { idle: 30, all: 50 }), Some(100.0));
        assert_eq!(second.idle_since(Ticks { idle: 65, all: 40 }), Some(25.0));
        assert_eq!(second.idle_since(second), None, "no time has gone by");
        assert_eq!(Ticks::read(stat, 2), None);
        assert_eq!(Ticks::read("cpu0 1 2 3", 0), None);
    }
}
