//! Sign-in flows as values: events in, actions out.
