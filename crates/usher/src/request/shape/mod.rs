//! placeholder: shape
