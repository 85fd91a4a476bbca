//! `policy-cases.json` and `policy-errors.json`: routes with policies, and one request each.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use serde_json::{Map, Value, json};
use url::Url;
use usher_rules::{config::Environment, plan::Plan};

use crate::{
    answer::{Answer, Case, Right, refused, right},
    compiled::{Folder, compile},
    frame::{Asked, Frame},
    hall::{Hall, Reply},
    shown::Shown,
    text::{indented, text},
    upstream,
    world::{World, session_id},
};

/// Where every recorded route leads.
const UPSTREAM: &str = "127.0.0.1:9";

/// What all cases of a file have in common.
struct Routes<'f> {
    base: &'f str,
    route_head: &'f str,
    usual: &'f Value,
    certs: &'f Value,
    world: World<'f>,
    frame: Frame,
}

/// Every case of a file with policies and requests.
pub(crate) fn cases(file: &Value, cases: &[Value]) -> Result<Vec<Case>, String> {
    let world = &file["world"];
    let records = world["records"].as_array().map_or(&[][..], Vec::as_slice);
    Routes::new(world, records)?.ask_all(cases)
}

/// Every case of a file with mistakes. What is accepted is asked for `/` by nobody.
pub(crate) fn mistakes(file: &Value, cases: &[Value]) -> Result<Vec<Case>, String> {
    Routes::new(file, &[])?.ask_all(cases)
}

impl<'f> Routes<'f> {
    fn new(shared: &'f Value, records: &'f [Value]) -> Result<Self, String> {
        Ok(Self {
            base: text(shared, "base_config"),
            route_head: text(shared, "route_head"),
            usual: &shared["default_request"],
            certs: &shared["certs"],
            world: World::new(records),
            frame: Frame::new()?,
        })
    }

    /// Many cases ask one config, which is compiled once.
    fn ask_all(&self, cases: &[Value]) -> Result<Vec<Case>, String> {
        let mut by_config: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
        for case in cases {
            by_config.entry(self.config(case)).or_default().push(case);
        }
        let mut asked = Vec::new();
        for (config, cases) in by_config {
            let compiled =
                compile(Some("config.yaml"), &config, &Environment::new(), &Folder::default());
            let hall = compiled.plan.map(|plan| self.frame.open(plan)).transpose()?;
            let said = if hall.is_none() { compiled.said.join("; ") } else { String::new() };
            for case in cases {
                let reply =
                    hall.as_ref().map(|hall| self.ask(hall, &case["request"])).transpose()?;
                let unanswered = Case {
                    id: text(case, "id").into(),
                    kind: text(case, "kind").into(),
                    hazard: text(case, "hazard").into(),
                    about: format!("{} {said}", text(case, "about")),
                    right: right(case, theirs)?,
                    ours: refused(),
                    codes: compiled.codes.clone(),
                    with_slashes_as_one: None,
                };
                asked.push((unanswered, reply));
            }
        }
        let decisions = self.frame.records.decisions();
        let mut cases: Vec<Case> = asked
            .into_iter()
            .map(|(mut case, reply)| {
                if let Some(reply) = reply {
                    case.ours = reply.compared(&decisions, &mut case.right);
                }
                case
            })
            .collect();
        cases.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(cases)
    }

    fn config(&self, case: &Value) -> String {
        let (globals, more) = (text(case, "globals"), text(case, "more_routes"));
        let route = indented(text(case, "route"));
        let config = format!("{}{globals}routes:\n{}{route}{more}", self.base, self.route_head);
        config.replace(UPSTREAM, &self.frame.upstream.to_string())
    }

    /// Both: what the policy decides of what the authorizer was shown, and what the whole way of a
    /// request makes of it.
    fn ask(&self, hall: &Hall, request: &Value) -> Result<Replied, String> {
        let given = |member: &str| match text(request, member) {
            "" => text(self.usual, member),
            given => given,
        };
        let session = self.world.signed_in(given("session"), &hall.provider());
        let host = if request["no_route"] == true { "unknown.example.com" } else { given("host") };
        let host = or(host, "app.example.com");
        // Every connection has a peer with an address; for one that is none stands one that no rule has.
        let given_ip = if request["ip_empty"] == true { "" } else { given("ip") };
        let said = given_ip.parse().ok();
        let peer = said.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let (method, target) = (or(given("method"), "GET"), or(given("path"), "/"));
        let presented = text(self.certs, text(request, "cert"));
        let (fields, body) = (&request["headers"], text(request, "body"));
        let shown = Shown { method, target, peer: said, presented, fields, body };
        let decided = shown.decide(&hall.plan(), session.as_ref());
        let cookie = self.frame.run(async {
            match session {
                Some(session) => hall.cookie(session, &host.to_ascii_lowercase()).await,
                // there is a cookie whose session is over
                None if !given("session").is_empty() => Ok(hall.cookie_of_nobody()),
                None => Ok(String::new()),
            }
        })??;
        let asked = Asked { method, target, host, fields, cookie: &cookie, body, shown: presented };
        let reply = self.frame.ask(hall, SocketAddr::new(peer, 50_000), &asked)?;
        let is_page = request["internal"] == true || request["no_route"] == true;
        let session = given("session").to_owned();
        let (decided, kept_back) = (decided.filter(|_| !is_page), kept_back(&hall.plan()));
        Ok(Replied { decided, reply, session, kept_back })
    }
}

/// What came back.
struct Replied {
    /// What the policy alone decides, where it is a policy that was asked.
    decided: Option<Answer>,
    reply: Reply,
    /// What the session is called in the file.
    session: String,
    /// Fields that the authorizer made, and that the route took away again.
    kept_back: Vec<String>,
}

/// The fields about who asks, of a route that does not pass them on.
fn kept_back(plan: &Plan) -> Vec<String> {
    let claims = plan.claim_fields.iter().map(|(name, _)| name.as_str());
    let names = claims.chain(["x-pomerium-jwt-assertion", "x-pomerium-jwt-assertion-for"]);
    let passes = plan.routes.first().is_some_and(|route| route.pass_identity);
    names.filter(|_| !passes).map(|name| format!("field {name}")).collect()
}

impl Replied {
    /// Ours, and of what is right what it is to be compared with.
    fn compared(self, decisions: &HashMap<String, Value>, right: &mut [Right]) -> Answer {
        let Self { decided, reply, session, kept_back } = self;
        let decision = reply.field("x-request-id").and_then(|id| decisions.get(id));
        let mut served = ours(&reply, decision, &session);
        for name in &kept_back {
            served.entry(name.clone()).or_default();
            right.iter_mut().for_each(|right| takes_back(right, name));
        }
        match decided {
            Some(decided) if is_same(&decided, &served) => served,
            Some(decided) => {
                right.iter_mut().for_each(decision_alone);
                decided
            }
            None => {
                right.iter_mut().for_each(page_or_refusal);
                served
            }
        }
    }
}

/// It passed its own pages on to a service of its own, which is no app: of these what was decided is
/// compared, and of others where they lead, or how they refuse.
fn page_or_refusal(right: &mut Right) {
    if let Right::Answer(theirs) | Right::WithWarning(theirs) = right
        && theirs.get("forward") == Some(&json!(true))
    {
        theirs.retain(|part, _| ["allow", "deny"].contains(&&**part));
    }
}

/// Nothing of this name reaches the app.
fn takes_back(right: &mut Right, name: &str) {
    if let Right::Answer(theirs) | Right::WithWarning(theirs) = right
        && let Some(value) = theirs.get_mut(name)
    {
        *value = Value::Null;
    }
}

fn is_same(decided: &Answer, served: &Answer) -> bool {
    ["allow", "deny"].iter().all(|side| decided.get(*side) == served.get(*side))
}

/// The authorizer was asked without the listener in front of it: paths and methods that ours
/// refuses or reads in another way before it asks a policy, and routes that would not take the
/// path. Of these the decision alone is compared, of all others the whole way.
fn decision_alone(right: &mut Right) {
    if let Right::Answer(theirs) | Right::WithWarning(theirs) = right {
        theirs
            .retain(|part, _| ["refused", "allow", "deny", "forward", "status"].contains(&&**part));
    }
}

fn or<'t>(given: &'t str, usual: &'t str) -> &'t str {
    if given.is_empty() { usual } else { given }
}

fn part(answer: &mut Answer, name: &str, value: Value) {
    answer.insert(name.into(), value);
}

/// A recorded answer, part by part.
fn theirs(expect: &Value) -> Answer {
    if ["load_error", "build_error", "start_error"].iter().any(|error| expect[*error].is_string()) {
        return refused();
    }
    let (mut answer, http) = (Answer::new(), &expect["http"]);
    for side in ["allow", "deny"] {
        let found = &expect[side];
        if found.is_object() {
            part(&mut answer, side, json!({"value": found["value"], "reasons": found["reasons"]}));
        }
    }
    if http["authorizer_error"] == true {
        part(&mut answer, "fails", json!(true));
        return answer;
    }
    part(&mut answer, "forward", json!(http["forward"] == true));
    if http["forward"] != true {
        part(&mut answer, "status", http["status"].clone());
    }
    // A text for robots may have a `location` left over, which leads nobody anywhere.
    let leads = http["status"].as_u64().is_some_and(|status| (300..400).contains(&status));
    for name in ["location", "redirect_uri", "device_type"] {
        if let Some(value) = http[name].as_str().filter(|_| leads) {
            part(
                &mut answer,
                name,
                json!(if name == "redirect_uri" { place(value) } else { value.into() }),
            );
        }
    }
    for (name, value) in http["headers"].as_object().into_iter().flatten() {
        part(&mut answer, &format!("field {}", name.to_ascii_lowercase()), value.clone());
    }
    answer
}

/// Ours, in the same parts.
fn ours(reply: &Reply, decision: Option<&Value>, session: &str) -> Answer {
    let mut answer = Answer::new();
    let is_forwarded = reply.field(upstream::FIELD).is_some();
    part(&mut answer, "forward", json!(is_forwarded));
    part(&mut answer, "status", json!(reply.status));
    part(&mut answer, "fails", json!(!is_forwarded && reply.status >= 500));
    if let Some(line) = decision {
        for side in ["allow", "deny"] {
            let holds = line[side] == true;
            let mut reasons = line[format!("{side}-why-{holds}")].clone();
            if let Some(reasons) = reasons.as_array_mut() {
                reasons.sort_by_key(ToString::to_string);
            }
            part(&mut answer, side, json!({"value": holds, "reasons": reasons}));
        }
    }
    if let Some(location) = reply.field("location").and_then(|to| Url::parse(to).ok()) {
        let query: BTreeMap<_, _> = location.query_pairs().into_owned().collect();
        for (name, parameter) in
            [("redirect_uri", "pomerium_redirect_uri"), ("device_type", "pomerium_device_type")]
        {
            if let Some(value) = query.get(parameter) {
                part(&mut answer, name, json!(place(value)));
            }
        }
        let mut place = location;
        place.set_query(None);
        part(&mut answer, "location", json!(place.as_str()));
    }
    if is_forwarded {
        fields_upstream(&mut answer, &reply.body, session);
    }
    answer
}

/// Fields that the app got, the assertion opened.
fn fields_upstream(answer: &mut Answer, told: &str, session: &str) {
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    for (name, values) in told["fields"].as_object().into_iter().flatten() {
        let values: Vec<&str> =
            values.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let value = values.join(",");
        let opened =
            (name == "x-pomerium-jwt-assertion").then(|| opened(&value, session)).flatten();
        part(answer, &format!("field {name}"), opened.unwrap_or_else(|| json!(value)));
    }
}

/// An address, whichever way it is written: hosts have no case, and a query of pairs may be
/// escaped in several ways.
fn place(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return address.into() };
    let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    if pairs.is_empty() {
        return url.into();
    }
    pairs.sort();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url.into()
}

/// The claims of an assertion; what differs each time says so, and the session has its name of the
/// file.
fn opened(token: &str, session: &str) -> Option<Value> {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let mut claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    if claims.get("sid") == Some(&json!(session_id().as_str())) {
        claims.insert("sid".into(), json!(session));
    }
    for name in ["jti", "iat", "exp"] {
        if let Some(value) = claims.get_mut(name) {
            *value = json!("VARIES");
        }
    }
    Some(claims.into())
}
