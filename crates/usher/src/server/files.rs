//! How many files the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit on open files to the hard one, and gives what then counts. The soft one
/// is 1,024 in many places, for programs that still use `select(2)`; this one does not.
pub(super) fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    let raised = setrlimit(Resource::Nofile, wanted).is_ok();
    let counts = if raised { maximum } else { current };
    counts.unwrap_or(u64::MAX)
}
