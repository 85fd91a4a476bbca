//! What values must be beside their types. It is asked whatever becomes of a key, as Pomerium does.

use crate::{
    config::{
        duration,
        values::{self, Wrong},
    },
    yaml::{Kind, Node, Style},
};

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing more.
    None,
    /// An address with scheme and host, or a list of them.
    Url,
    /// Host and port; an empty text is none.
    Listener,
    /// A span of time from a millisecond on.
    Millisecond,
    /// A truth value without quotes.
    Unquoted,
    /// Not an empty text.
    Filled,
    /// A list in which every element says something.
    Full,
    /// A list of `udp://ADDRESS:PORT` and `tcp://ADDRESS:PORT`.
    Resolvers,
}

impl Rule {
    /// What is wrong with a value of the right type.
    pub(in crate::config) fn broken(self, node: &Node) -> Option<Wrong> {
        let each = |is_right: fn(&str) -> bool, what: &str, help: &str| {
            let items = values::list(node).ok()?;
            let odd = items.iter().find(|item| !is_right(&item.text))?;
            Some(wrong("U410", &odd.at, format!("{what}: `{}`", odd.text), help))
        };
        let text = node.text().unwrap_or_default();
        let one = |is_right: bool, code, what: &str, help: &str| {
            (!is_right).then(|| wrong(code, &node.span, what.to_owned(), help))
        };
        match self {
            Self::None => None,
            Self::Url => each(
                is_url,
                "holds an address without scheme or host",
                "write it like `https://HOST:PORT`",
            ),
            Self::Listener => {
                one(has_port(text), "U401", "needs a port", "write `HOST:PORT` or `:PORT`")
            }
            Self::Millisecond => {
                let length = duration::parse(text).ok();
                let is_long = length.is_none_or(|length| length.as_millis() > 0);
                one(is_long, "U202", "is at least a millisecond", "write `5s`")
            }
            Self::Unquoted => {
                let is_plain = matches!(&node.kind, Kind::Scalar { style: Style::Plain, .. });
                one(is_plain, "U201", "is `true` or `false` without quotes", "delete the quotes")
            }
            Self::Filled => one(
                node.text() != Some(""),
                "U207",
                "is empty",
                "write a value, or delete the line",
            ),
            Self::Full => values::full_list(node).err(),
            Self::Resolvers => each(
                is_resolver,
                "holds something else than `udp://ADDRESS:PORT` or `tcp://ADDRESS:PORT`",
                "write it like `udp://1.1.1.1:53`",
            ),
        }
    }
}

fn wrong(code: &'static str, at: &crate::problem::Span, what: String, help: &str) -> Wrong {
    Wrong { code, at: at.clone(), what, help: help.to_owned() }
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.has_host())
}

/// A number from 1 behind the last colon.
fn has_port(text: &str) -> bool {
    let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u32>());
    port.is_some_and(|port| port.is_ok_and(|port| port > 0))
}

fn is_resolver(text: &str) -> bool {
    let address = text.strip_prefix("udp://").or_else(|| text.strip_prefix("tcp://"));
    address.is_some_and(|address| address.parse::<std::net::SocketAddr>().is_ok())
}
