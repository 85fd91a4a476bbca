use usher_rules::{
    names::{Reading, RequestPath},
    plan::{PathCase, Route},
};

/// A path as the route's server tells paths apart.
pub(super) fn own<'p>(route: &Route, path: &'p RequestPath) -> &'p str {
    match route.path_case {
        PathCase::Exact => path.decoded(),
        PathCase::Folded => path.folded(),
    }
}

/// The same of another server's reading of it.
pub(super) fn other<'p>(route: &Route, reading: &'p Reading) -> &'p str {
    match route.path_case {
        PathCase::Exact => reading.decoded(),
        PathCase::Folded => reading.folded(),
    }
}
