//! What a message of the Model Context Protocol asks for: the tool of a `tools/call`.

use super::{About, Doubt, Fact, Question, Reason, Written};
use crate::policy::{facts::Facts, matcher::TextMatch, report::Report};

criteria! { Tool: McpTool; }

const NOT_A_CALL_WORD: &str = "mcp-not-a-tool-call";
const NOT_A_CALL: Reason = Reason::named(NOT_A_CALL_WORD);

/// `mcp_tool`: the name of the tool that is called; every other message is none.
#[derive(Clone, Debug)]
pub(in crate::policy) struct McpTool(TextMatch);

impl Question for McpTool {
    const NAME: &'static str = "mcp_tool";
    const MEANT: &'static [(&'static str, &'static str)] =
        &[("mcp-tool", Self::NAME), ("tool", Self::NAME)];
    const REASONS: [&'static str; 2] = ["mcp-tool-match", "mcp-tool-no-match"];
    const MORE_REASONS: &'static [&'static str] = &[NOT_A_CALL_WORD];
    type Of = Call;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        written.text::<Self>(report).map(Self)
    }

    fn holds(&self, tool: &str, _: Doubt) -> bool {
        self.0.takes(tool)
    }

    fn in_words(&self) -> String {
        format!("MCP tool {}", self.0.in_words())
    }

    fn found(&self, tool: &str) -> String {
        format!("MCP tool is `{tool}`")
    }
}

/// The tool that is called. What can't be read as one message is none, and is refused where the
/// body is read, whatever a `deny` makes of it.
pub(in crate::policy) struct Call;

impl Fact for Call {
    type Seen<'a> = &'a str;
    const ABOUT: About = About::Message;

    fn of<'a>(facts: &Facts<'a>) -> Result<&'a str, (Reason, &'static str)> {
        facts.request.tool.ok_or((NOT_A_CALL, "no MCP tool is called"))
    }
}
