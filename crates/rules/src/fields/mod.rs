//! Header fields: what crosses the proxy, and what only the proxy may say.

mod accept;
mod cookies;
mod foreign;
mod forwarded;
mod found;
mod hop_by_hop;
mod identity;
mod lengths;
mod other_methods;
mod reader;
mod spelling;
mod trailers;

pub use accept::{Preference, preference};
pub use cookies::{join_cookies, remove_cookie, remove_set_cookie};
pub use forwarded::{Forwarded, names_two_visitors, set_forwarded, trusted_scheme, visitor, way};
pub use found::{Found, Taken};
pub use hop_by_hop::{elements, remove_hop_by_hop, wants_udp, wants_websocket};
pub use identity::{
    Owned, app_passwords, bearer_tokens, brings_credentials, clean_referer, remove_bearer_tokens,
    remove_credentials, remove_identity, remove_query_session, remove_underscores,
};
pub use lengths::{DifferentLengths, length, one_length};
pub use other_methods::other_methods;
pub use reader::{Reader, error_form, is_page_load, passed_a_worker, reader};
pub use trailers::{clean_trailers, may_stand_behind};
