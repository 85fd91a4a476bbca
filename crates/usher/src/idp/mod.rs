//! placeholder: idp
