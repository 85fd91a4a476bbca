//! placeholder: signin
