//! placeholder: forward
