//! placeholder: certs
