//! What a module asks for that is not there. It would be undefined at every request, and a deny
//! that rests on it would keep nobody out: so it is told when the config is loaded.

use regorus::Engine;
use serde_json::Value;
use usher_rules::policy::rego::{Mistake, MistakeKind};

use crate::input::{FUNCTIONS, NOT_GIVEN, ON_NO_RECORD};

/// Functions that neither the language nor the module has, and facts that no module is given.
pub(crate) fn missing(engine: &Engine) -> Vec<Mistake> {
    let tree = engine.get_ast_as_json().ok().and_then(|tree| serde_json::from_str(&tree).ok());
    let mut mistakes = Vec::new();
    visit(&tree.unwrap_or(Value::Null), &mut |node| {
        let no_function = node.get("Call").and_then(|call| no_function(engine, call));
        mistakes.extend(no_function.or_else(|| not_given(node)));
    });
    mistakes
}

/// Does it name a fact that no record of a decision has, wherever it stands?
pub(crate) fn fields_are_named(engine: &Engine) -> bool {
    let sources = engine.get_policies().unwrap_or_default();
    let names = |text: &str| ON_NO_RECORD.iter().any(|name| text.contains(name));
    sources.iter().any(|source| names(source.get_contents()))
}

/// Every node of the tree.
fn visit(node: &Value, tell: &mut impl FnMut(&Value)) {
    match node {
        Value::Object(members) => {
            tell(node);
            members.values().for_each(|below| visit(below, tell));
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, tell)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn no_function(engine: &Engine, call: &Value) -> Option<Mistake> {
    let path = path_of(call.get("fcn")?)?;
    let given = call.get("params").and_then(Value::as_array).map_or(0, Vec::len);
    let name = path.join(".");
    if FUNCTIONS.contains(&(&*name, given)) {
        return None;
    }
    let of_module = format!("data.pomerium.policy.{name}");
    let is_there = takes(engine, &name, given) || takes(engine, &of_module, given);
    let plural = if given == 1 { "" } else { "s" };
    (!is_there).then(|| Mistake {
        kind: MistakeKind::Unavailable,
        at: place_of(call),
        what: format!("there is no function `{name}` that takes {given} argument{plural}"),
    })
}

/// Asked of the engine itself, which has no list of what it knows.
fn takes(engine: &Engine, name: &str, count: usize) -> bool {
    let arguments = vec!["null"; count].join(", ");
    let mut engine = engine.clone();
    engine.set_strict_builtin_errors(true);
    let outcome = engine.eval_query(format!("{name}({arguments})"), false);
    outcome.map_or_else(|error| !is_refusal(&error.to_string()), |_| true)
}

/// Is it the function that is wrong, or how many arguments it has? `null` may be no good to it.
fn is_refusal(error: &str) -> bool {
    let counted = error.split_once("expects ").and_then(|(_, rest)| rest.chars().next());
    error.contains("could not find function")
        || error.contains("mismatch in number of arguments")
        || counted.is_some_and(|c| c.is_ascii_digit())
}

fn not_given(node: &Value) -> Option<Mistake> {
    let path = path_of(node)?.join(".");
    let node = node.as_object()?.values().next()?;
    NOT_GIVEN.contains(&&*path).then(|| Mistake {
        kind: MistakeKind::Unavailable,
        at: place_of(node),
        what: format!("no module is told `{path}`"),
    })
}

/// `input.http.body`, however it is written; `None` for what is not fixed.
fn path_of(node: &Value) -> Option<Vec<&str>> {
    if let Some(name) = node.pointer("/Var/value") {
        return Some(vec![name.as_str()?]);
    }
    let (below, last) = match (node.get("RefDot"), node.get("RefBrack")) {
        (Some(reference), _) => (reference, reference.pointer("/field/1")?),
        (None, Some(reference)) => (reference, reference.pointer("/index/String/value")?),
        (None, None) => return None,
    };
    let mut path = path_of(below.get("refr")?)?;
    path.push(last.as_str()?);
    Some(path)
}

fn place_of(node: &Value) -> Option<(usize, usize)> {
    let number = |path| usize::try_from(node.pointer(path)?.as_u64()?).ok();
    Some((number("/span/line")?, number("/span/col")?))
}
