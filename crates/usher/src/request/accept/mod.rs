//! placeholder: accept
