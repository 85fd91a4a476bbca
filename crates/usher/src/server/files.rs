//! How many files the process may open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where no more than so many can be had, though the hard limit says "any number" (macOS).
const FEWER: u64 = 10_240;

/// Raises the soft limit on open files to the hard one, and gives what then counts. The soft one
/// is 1,024 in many places, for programs that still use `select(2)`; this one does not.
pub(super) fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raise = |to: Option<u64>| {
        let is_more = current.is_some_and(|now| to.is_none_or(|to| to > now));
        is_more && setrlimit(Resource::Nofile, Rlimit { current: to, maximum }).is_ok()
    };
    let counts = [maximum, Some(FEWER)].into_iter().find(|to| raise(*to)).unwrap_or(current);
    counts.unwrap_or(u64::MAX)
}
