//! The config file as it was written: keys, defaults, and every problem with its place.
