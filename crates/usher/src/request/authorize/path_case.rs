use usher_rules::{
    names::fold_case,
    plan::{PathCase, Route},
    policy::RequestFacts,
};

/// With the path as the route's server tells paths apart.
pub(super) fn compared<T>(
    route: &Route,
    facts: RequestFacts<'_>,
    ask: impl FnOnce(RequestFacts<'_>) -> T,
) -> T {
    match route.path_case {
        PathCase::Exact => ask(facts),
        PathCase::Folded => {
            let path = fold_case(facts.path);
            ask(RequestFacts { path: &path, ..facts })
        }
    }
}
