//! Names are parsed once, at the edge; afterwards they are compared as values.

mod address_range;
mod authority;
mod canonical;
mod case;
mod cookie_pairs;
mod domain;
mod host;
mod listen;
mod mailbox;
mod masque;
mod method;
mod origin;
mod path;
mod path_error;
mod proxy_header;
mod reading;
mod return_to;
mod upstream;

pub use address_range::address_range;
pub use authority::{Authority, AuthorityError};
pub use case::fold_case;
pub use cookie_pairs::cookie_pairs;
pub use domain::registrable_domain;
pub use host::{Host, HostError};
pub use listen::{ListenAddressError, listen_address};
pub use mailbox::{folded, is_mailbox, mailbox_domain};
pub use masque::{UDP_PREFIX, udp_path, udp_target};
pub use method::{is_registered, registered as registered_methods};
pub use origin::{Origin, OriginError};
pub(crate) use path::never_canonical;
pub use path::{EscapedSlashes, RequestPath, escaped_path};
pub use path_error::PathError;
pub use proxy_header::{
    PROXY_FIXED, PROXY_LINE, PROXY_START, Proxied, ProxyHeaderError, ProxyVersion, proxy_line,
    proxy_octets, proxy_rest,
};
pub use reading::Reading;
pub use return_to::{ReturnTo, ReturnToError};
pub use upstream::{Scheme, Upstream, UpstreamError};
