//! What several keys have in common, in the words of a warning.

pub(super) const ONE_PROCESS: &str = "usher is one process, so there is nothing to connect";
pub(super) const NO_ENVOY: &str = "there is no Envoy in usher";
pub(super) const NOT_READ: &str = "Pomerium Core does not read it either";
pub(super) const NO_TRACES: &str = "traces are not exported yet";
pub(super) const DATA_DIRECTORY: &str = "sessions and people are kept in the data directory";
pub(super) const ONE_NODE: &str = "usher runs on one node";
pub(super) const NO_SSH: &str = "SSH routes are not served";
pub(super) const CONSOLE: &str = "it is a note of Pomerium's console, which decides nothing";
pub(super) const NO_MCP: &str = "there is no MCP gateway";
pub(super) const NO_OAUTH: &str =
    "no authorization server is named to MCP clients: they need a session of usher";
pub(super) const NO_RECORDING: &str = "SSH sessions are not recorded";
pub(super) const MTLS: &str = "it is `downstream_mtls: {ca: …}` now, or `ca_file`";
pub(super) const CLAIMS: &str =
    "groups come from the provider's claims: use `claim/groups` in a policy";
pub(super) const OTEL: &str = "Pomerium replaced it by `otel_*`, which usher does not support yet";
pub(super) const KUBERNETES: &str =
    "usher does not speak to Kubernetes on a visitor's behalf; fields that impersonate would pass";
pub(super) const ITS_ANSWER: &str = "each check waits for its own answer";
pub(super) const STATUS_ALONE: &str = "the status alone counts";
