//! placeholder: reload
