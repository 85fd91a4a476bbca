use proptest::prelude::*;

use super::{open, proxy, service};
use crate::{
    signin::hosted::{Arrived, Profile, SealedForm, Version},
    time::UnixTime,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))] // each is several key exchanges

    /// Whatever a stranger writes into a query is refused or read, and never harms.
    #[test]
    fn any_query_is_read_without_harm(query in ".{0,300}", text in ".{0,300}") {
        let _verdict = open(&query, &proxy());
        let _verdict = Profile::parse(&text);
        let (ours, service) = (proxy(), service());
        // also from a service that has gone mad
        for version in [Version::V1, Version::V2] {
            let pairs = vec![
                ("pomerium_issued", query.as_str()),
                ("pomerium_expiry", text.as_str()),
                ("pomerium_identity_profile", text.as_str()),
            ];
            let sealed = SealedForm::seal(pairs, version, &service, &ours.public(), [1; 32]);
            let opened = open(&sealed.unwrap(), &ours).unwrap();
            let now = UnixTime::from_seconds(1_795_576_000);
            prop_assert!(Arrived::read(&opened, &service.public(), now).is_err());
        }
    }

    /// What is sealed comes out as it went in, for the receiver and for nobody else; one octet
    /// changed anywhere, and nothing comes out.
    #[test]
    fn a_seal_holds(
        values in prop::collection::vec(("[a-z]{1,8}", ".{0,40}"), 0..6),
        ephemeral: [u8; 32],
        at: prop::sample::Index,
        v1: bool,
    ) {
        let (from, to) = (proxy(), service());
        let version = if v1 { Version::V1 } else { Version::V2 };
        let pairs: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let query = SealedForm::seal(pairs.clone(), version, &from, &to.public(), ephemeral).unwrap();
        let opened = open(&query, &to).unwrap();
        let mut sorted = pairs;
        sorted.sort_by_key(|(name, _)| *name);
        prop_assert_eq!(opened.form.pairs().collect::<Vec<_>>(), sorted);

        let start = query.rfind('=').unwrap() + 1;
        let at = start + at.index(query.len() - start);
        let mut changed = query.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        prop_assert!(open(std::str::from_utf8(&changed).unwrap(), &to).is_err());
    }
}
