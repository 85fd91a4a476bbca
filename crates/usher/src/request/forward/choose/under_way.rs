//! All that a request counts in, for as long as it is under way.

use usher_rules::plan::CircuitBreakers;

use super::{
    super::{
        ForwardError,
        breakers::{Breakers, Full, Taken},
    },
    Busy,
};

/// What a request takes until the body of its answer is over.
#[derive(Debug, Default)]
pub struct UnderWay {
    /// Counts at the upstream.
    pub(in crate::request::forward) busy: Option<Busy>,
    _request: Taken,
    /// Of a connection that left the pool for good.
    pub(in crate::request::forward) connection: Taken,
    retry: Option<Taken>,
}

impl UnderWay {
    /// For a request that begins.
    pub(in crate::request::forward) fn begin(
        breakers: &Breakers,
        limits: CircuitBreakers,
    ) -> Result<Self, ForwardError> {
        let request = breakers.requests.take(limits.max_requests);
        let request = request.map_err(|Full| ForwardError::Overflow { limit: "max_requests" })?;
        Ok(Self { _request: request, ..Self::default() })
    }

    /// For one that goes on to another address.
    pub(in crate::request::forward) fn go_on(
        &mut self,
        breakers: &Breakers,
        limits: CircuitBreakers,
    ) -> Result<(), Full> {
        if self.retry.is_none() {
            self.retry = Some(breakers.retries.take(limits.max_retries)?);
        }
        Ok(())
    }
}
