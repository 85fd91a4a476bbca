//! Routes to servers of the Model Context Protocol.

use super::{Compiler, flags};
use crate::{
    config::{
        Section,
        keys::{nested, route},
    },
    plan::McpServer,
    policy::{About, Policy},
    problem::{Problem, Severity},
};

/// `mcp` among `runtime_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum McpFlag {
    On,
    Off,
}

impl McpFlag {
    pub(super) fn of(globals: &Section) -> Self {
        if flags::mcp(globals) { Self::On } else { Self::Off }
    }
}

impl Compiler<'_> {
    /// `mcp`, which is without effect where its flag is off, as in Pomerium.
    pub(super) fn mcp(
        &mut self,
        flag: McpFlag,
        (policy, shadow): (&Policy, Option<&Policy>),
    ) -> Option<McpServer> {
        let server = self.mcp_server(flag);
        let (asked, tried) = (
            policy.first_about(About::Message),
            shadow.and_then(|shadow| shadow.first_about(About::Message)),
        );
        let asks = asked.is_some();
        let in_vain = match (server, asks) {
            (None, _) => asked.or(tried).map(|found| {
                let help = "write `mcp: {server: {}}` beside it, and `runtime_flags: {mcp: true}`";
                (found, "this route is no server of MCP", help)
            }),
            // What only watches does not make a message be read, nor one be refused.
            (Some(_), false) => tried.map(|found| {
                let help = "let a rule of `policy` ask for `mcp_tool`, or put this one in force";
                (found, "messages are read only where `policy` asks for them", help)
            }),
            (Some(_), true) => None,
        };
        if let Some(((place, name), why, help)) = in_vain {
            let what = format!("`{name}` never holds here: {why}");
            self.report(Problem::new(Severity::Warning, "U349", place, what, help));
        }
        server.map(|longest| McpServer { reads_at_most: asks.then_some(longest) })
    }

    /// The longest message of the route's server.
    fn mcp_server(&mut self, flag: McpFlag) -> Option<usize> {
        let (given, keys) = (self.keys.given(&route::MCP)?, self.keys.get(&route::MCP)?);
        let server = keys.get(&nested::MCP_SERVER);
        if server.is_none() && keys.given.is_empty() {
            let what = "`mcp` says neither `server` nor `client`";
            self.report(given.error("U536", what, "write `mcp: {server: {}}`, or delete the line"));
            return None;
        }
        if flag == McpFlag::Off {
            let what = "`mcp` has no effect without its flag";
            self.report(given.warning("U537", what, "write `runtime_flags: {mcp: true}`"));
            return None;
        }
        let server = server?;
        let what = "MCP clients are not offered OAuth: there is no MCP gateway yet";
        let help = "give each a session of usher; its policy and `mcp_tool` hold all the same";
        self.report(given.warning("U538", what, help));
        let longest = server.value(&nested::MCP_MAX_REQUEST_BYTES);
        let usual = || nested::MCP_MAX_REQUEST_BYTES.default.parse().ok();
        usize::try_from(longest).ok().filter(|longest| *longest > 0).or_else(usual)
    }
}
