//! placeholder: authorize
