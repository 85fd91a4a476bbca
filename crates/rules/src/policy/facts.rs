use std::net::IpAddr;

use crate::people::Person;

/// Everything a policy may look at, and nothing else: no clock, no I/O, no globals.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who signed in; `None` when nobody did.
    pub person: Option<&'a Person>,
    /// What is asked.
    pub request: RequestFacts<'a>,
}

/// The request, as far as a policy may look at it.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The decoded canonical path; never the query.
    pub path: &'a str,
    /// The TCP peer, whatever `X-Forwarded-For` says.
    pub source: IpAddr,
    /// `Origin`, when the request has one that is not empty.
    pub origin: Option<&'a str>,
    /// `Access-Control-Request-Method`, when the request has one that is not empty.
    pub access_control_request_method: Option<&'a str>,
}
