//! Header fields: what crosses the proxy, and what only the proxy may say.
