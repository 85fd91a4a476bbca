//! Messages of the Model Context Protocol: JSON-RPC 2.0, one in the body of a POST.
//!
//! An app reads the same octets after us, with a reader that we don't know. So a message that two
//! readers could take for two is none: a batch, a member twice or in other capitals (Go's reader
//! takes `METHOD` for `method`, and of two it takes the last).

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// What the body of a request says.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Message {
    /// Nothing that is looked at, or nothing that asks for anything: no POST, or a response.
    #[default]
    Nothing,
    /// A request, or a notification.
    Request {
        /// To answer it by; `None` for a notification.
        id: Option<Value>,
        /// Which tool it calls, where it is `tools/call`: empty where it names none.
        tool: Option<Box<str>>,
    },
    /// It can't be read as one message.
    Unreadable(Unreadable),
}

/// Why there is no one message in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no JSON object, nor one that JSON-RPC 2.0 knows; a batch is none.
    NoMessage,
    /// Two readers would read two messages in it.
    TwoReadings,
    /// `Content-Type` is not exactly `application/json`, or the body is coded.
    OtherType,
    /// A body behind another method than POST, or a socket.
    OtherMethod,
    /// More octets than `max_request_bytes`.
    TooLarge,
}

impl Unreadable {
    /// For whoever sent it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoMessage => "its body is not one message of JSON-RPC 2.0",
            Self::TwoReadings => "its body has a member twice, or in other capitals",
            Self::OtherType => {
                "its `Content-Type` is not exactly `application/json`, or its body is coded"
            }
            Self::OtherMethod => "only the body of a POST carries a message of MCP",
            Self::TooLarge => "its body is longer than `max_request_bytes`",
        }
    }
}

const MEMBERS: [&str; 6] = ["error", "id", "jsonrpc", "method", "params", "result"];
const PARAMS: [&str; 2] = ["arguments", "name"];
const TOOL_CALL: &str = "tools/call";

impl Message {
    /// Reads a whole body.
    pub fn read(body: &[u8]) -> Self {
        request(body).unwrap_or_else(Self::Unreadable)
    }

    /// Why it can't be read, where it can't.
    pub const fn unreadable(&self) -> Option<Unreadable> {
        match self {
            Self::Unreadable(why) => Some(*why),
            Self::Request { .. } | Self::Nothing => None,
        }
    }

    /// The tool that it calls.
    pub fn tool(&self) -> Option<&str> {
        match self {
            Self::Request { tool, .. } => tool.as_deref(),
            Self::Nothing | Self::Unreadable(_) => None,
        }
    }
}

fn request(body: &[u8]) -> Result<Message, Unreadable> {
    let Ok(Tree::Object(members)) = serde_json::from_slice(body) else {
        return Err(Unreadable::NoMessage);
    };
    read_in_one_way(&members, &MEMBERS)?;
    let version = member(&members, "jsonrpc").and_then(Tree::text);
    if version != Some("2.0") {
        return Err(Unreadable::NoMessage);
    }
    let id = match member(&members, "id") {
        None => None,
        Some(Tree::Scalar(id)) if !id.is_boolean() => Some(id.clone()),
        Some(_) => return Err(Unreadable::NoMessage),
    };
    let Some(method) = member(&members, "method") else {
        let answers = ["result", "error"].iter().any(|name| member(&members, name).is_some());
        return if answers { Ok(Message::Nothing) } else { Err(Unreadable::NoMessage) };
    };
    let tool = match method.text().ok_or(Unreadable::NoMessage)? {
        TOOL_CALL => Some(tool(member(&members, "params"))?),
        _ => None,
    };
    Ok(Message::Request { id, tool })
}

/// The name in the parameters of a `tools/call`.
fn tool(params: Option<&Tree>) -> Result<Box<str>, Unreadable> {
    let Some(Tree::Object(params)) = params else { return Err(Unreadable::NoMessage) };
    read_in_one_way(params, &PARAMS)?;
    match member(params, "arguments") {
        None | Some(Tree::Object(_) | Tree::Scalar(Value::Null)) => {}
        Some(_) => return Err(Unreadable::NoMessage),
    }
    match member(params, "name") {
        None | Some(Tree::Scalar(Value::Null)) => Ok("".into()),
        Some(name) => name.text().map(Into::into).ok_or(Unreadable::NoMessage),
    }
}

/// No member twice, and none that others would take for a known one.
fn read_in_one_way(members: &[(String, Tree)], known: &[&str]) -> Result<(), Unreadable> {
    for (index, (name, _)) in members.iter().enumerate() {
        let folded = folded(name);
        let is_variant = *name != folded && known.contains(&&*folded);
        let again = members.iter().skip(index + 1).any(|(other, _)| other == name);
        if is_variant || again {
            return Err(Unreadable::TwoReadings);
        }
    }
    Ok(())
}

/// As readers fold that do not look at case: `ſ` and the Kelvin sign are letters of ours, too.
fn folded(name: &str) -> String {
    name.to_lowercase().replace('ſ', "s")
}

fn member<'t>(members: &'t [(String, Tree)], name: &str) -> Option<&'t Tree> {
    members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// JSON with every member that was written, in order.
enum Tree {
    Object(Vec<(String, Tree)>),
    Array,
    Scalar(Value),
}

impl Tree {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(value) => value.as_str(),
            Self::Object(_) | Self::Array => None,
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        while seq.next_element::<Tree>()?.is_some() {}
        Ok(Tree::Array)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Message, Unreadable};

    fn request(id: impl Into<Option<Value>>, tool: Option<&str>) -> Message {
        Message::Request { id: id.into(), tool: tool.map(Into::into) }
    }

    #[test]
    fn one_message_is_read() {
        for (body, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#,
                request(json!(1), Some("x")),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"arguments":{"name":"y"}}}"#,
                request(json!("a"), Some("")),
            ),
            (
                r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":null,"_meta":{}}}"#,
                request(None, Some("")),
            ),
            (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, request(Value::Null, None)),
            (
                r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}"#,
                request(json!(2), None),
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, request(None, None)),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Message::Nothing),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#, Message::Nothing),
        ] {
            assert_eq!(Message::read(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_not_one_message_is_none() {
        let deep =
            format!("{{\"jsonrpc\":\"2.0\",\"method\":{}1{}}}", "[".repeat(9000), "]".repeat(9000));
        for body in [
            "",
            "{",
            "null",
            "7",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}]"#,
            r#"{"jsonrpc":"2.0","method":"tools/list"}{}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":2.0,"id":1,"method":"tools/list"}"#,
            r#"{"id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":[]}}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\"}",
            &deep,
        ] {
            let read = Message::read(body.as_bytes());
            assert_eq!(read, Message::Unreadable(Unreadable::NoMessage), "{body}");
        }
        let not_utf8 = b"{\"jsonrpc\":\"2.0\",\"method\":\"tools/\xff\"}";
        assert_eq!(Message::read(not_utf8), Message::Unreadable(Unreadable::NoMessage));
    }

    #[test]
    fn what_two_readers_read_in_two_ways_is_none() {
        for body in [
            r#"{"jsonrpc":"2.0","method":"tools/list","method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/list","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","METHOD":"tools/call","id":1}"#,
            r#"{"jſonrpc":"2.0","jsonrpc":"2.0","method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x","name":"y"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x","Name":"y"}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"},"\u0070arams":{}}"#,
            r#"{"jsonrpc":"2.0","method":"tools/list","x":1,"x":2}"#,
        ] {
            let read = Message::read(body.as_bytes());
            assert_eq!(read, Message::Unreadable(Unreadable::TwoReadings), "{body}");
        }
    }
}
