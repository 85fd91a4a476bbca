//! What is known of Jellyfin: where its clients put their credentials, and what its endpoints are.
//!
//! Versions 10.9 to 12 are told apart only where it matters. Whatever its server may read in two
//! ways is refused, so that a request is decided for the client that the server sees.

mod ambiguity;
mod authorization;
mod credential;
mod door;
mod ended;
mod endpoint;
pub mod grants;
mod name_and_password;
pub mod pairing;
mod password_tries;
mod query;
mod server;
mod token;

pub use ambiguity::Ambiguity;
pub use authorization::Client;
pub use credential::{Credentials, credentials};
pub use door::Door;
pub use ended::{DeviceAt, EndedApp, EndedApps};
pub use endpoint::{Endpoint, Opening, endpoint, takes_sockets};
pub use name_and_password::{NameAndPassword, NotRead};
pub use password_tries::{PasswordTries, Tried};
pub use server::{ServerState, Version};
pub use token::{Token, TokenHash, is_token};
