//! Certificates that the operator brings and that no host of the config is served with.

use std::path::PathBuf;

use usher_rules::{
    plan::{HostPattern, Plan},
    time::UnixTime,
};

use super::{folder, names, pair::Pair};

/// A certificate, or a whole folder of them, that is for other hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What the config names; `None` for the text in the config itself.
    pub named: Option<PathBuf>,
    /// Whom it is for, in order.
    pub subjects: Vec<Box<str>>,
}

/// Every certificate of the plan that can be read and is for none of its hosts. A folder is judged as
/// a whole: it may well be a client's that looks after other servers, too.
///
/// Blocks on the disk.
pub fn unfit(plan: &Plan, now: UnixTime) -> Vec<Unfit> {
    let (hosts, wildcards) = names(plan);
    let fits = |pair: &Pair| {
        hosts.iter().any(|host| pair.names(host) || pair.takes(host))
            || wildcards.iter().any(|pattern: &HostPattern| {
                pair.subjects().iter().any(|subject| pattern.takes_host(subject))
            })
    };
    let told = |pairs: Vec<Pair>, named: Option<PathBuf>| {
        let is_unfit = !pairs.is_empty() && !pairs.iter().any(fits);
        is_unfit.then(|| {
            let mut subjects: Vec<_> = pairs.iter().flat_map(Pair::subjects).cloned().collect();
            subjects.sort();
            subjects.dedup();
            Unfit { named, subjects }
        })
    };
    let listen = &plan.listen;
    let inline = listen.certificates_inline.iter();
    let inline = inline.map(|(cert, key)| (Pair::inline(cert, key).into_iter().collect(), None));
    let files = listen.certificate_files.iter().map(|files| {
        (Pair::from_files(files, now).into_iter().collect(), Some(files.cert.clone()))
    });
    let folder = listen.certificates_dir.iter().map(|dir| {
        let pairs = folder::pairs(dir).unwrap_or_default(); // told elsewhere
        let pairs = pairs.iter().filter_map(|files| Pair::from_files(files, now).ok());
        (pairs.collect(), Some(dir.clone()))
    });
    inline.chain(files).chain(folder).filter_map(|(pairs, named)| told(pairs, named)).collect()
}
