//! One order, from the account to the certificate in the store.

use std::sync::Arc;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use usher_rules::plan::Autocert;
use zeroize::Zeroizing;

use super::{
    AcmeError, AcmeTimeouts, CertificateStore, ChallengeResponses, SignedCertificate, account,
    certificate_store::Pending,
    challenge_responses::ChallengeResponse,
    dns::{Solver, TxtRecord},
    transport::{Transport, words},
};

/// How often a refused nonce is answered with another try; the library tries three times in each.
const NONCE_TRIES: u32 = 5;

/// status_request in the TLS feature extension (RFC 7633 §6): the OCSP staple is a must.
const TLS_FEATURE: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 24];
const STATUS_REQUEST: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x05];

pub(super) struct AcmeOrder<'a> {
    pub autocert: &'a Autocert,
    pub directory: &'a str,
    pub name: &'a str,
    /// The certificate that is replaced, if there is one.
    pub replaces: Option<&'a SignedCertificate>,
    pub store: &'a CertificateStore,
    pub challenges: &'a Arc<ChallengeResponses>,
    pub transport: &'a Transport,
    pub acme_timeouts: AcmeTimeouts,
    /// HTTP-01 can be answered: there is a plain listener.
    pub has_http: bool,
    /// Whoever sets DNS records.
    pub solver: Option<&'a Solver>,
    /// How many orders for this name failed: the next one tries another challenge.
    pub failures: u32,
    /// The challenge that was answered well the last time; empty when nobody knows.
    pub proved_by: &'a str,
}

/// An order that goes on: with its key, and TXT records that may be out for it.
type Resumed = (Order, KeyPair, Vec<TxtRecord>);

/// A certificate, and by which challenge it was proved that it is ours to have.
pub(super) struct Issuance {
    pub leaf: SignedCertificate,
    /// Empty where the authority remembered an earlier proof.
    pub by: &'static str,
}

impl AcmeOrder<'_> {
    /// Orders, proves, fetches and keeps.
    pub(super) async fn run(&self) -> Result<Issuance, AcmeError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.once().await {
                Err(error) if error.is_bad_nonce() && tries < NONCE_TRIES => {}
                Err(error)
                    if tries < NONCE_TRIES
                        && (error.is_unknown_account()
                            || error.is_wrong_key() && self.store.is_rolling(self.directory)) =>
                {
                    // The authority forgot us, or was exchanged behind its name.
                    self.store.drop_account(self.directory)?;
                    self.store.drop_pending(self.name)?;
                }
                outcome => return outcome,
            }
        }
    }

    async fn once(&self) -> Result<Issuance, AcmeError> {
        let account =
            account::open(self.transport, self.store, self.autocert, self.directory).await?;
        let (mut order, key, mut records) = match self.resume(&account).await? {
            Some(resumed) => resumed,
            None => {
                let (order, key) = self.begin(&account).await?;
                (order, key, Vec::new())
            }
        };
        // They answer until the order is through.
        let responses = self.prove(&mut order, &mut records).await;
        self.withdraw(&records).await;
        let (_responses, by) = responses?;
        if order.state().status == OrderStatus::Ready {
            let csr = self.request(&key)?;
            order.finalize_csr(&csr).await.map_err(|error| self.error(error))?;
        }
        let chain = self.fetch(&mut order).await?;
        Ok(Issuance { leaf: self.keep(&key, &chain)?, by })
    }

    /// The order that a crash or a slow authority left, and the records that may be out for it.
    async fn resume(&self, account: &Account) -> Result<Option<Resumed>, AcmeError> {
        let pending = self.store.pending(self.name).unwrap_or_default();
        let Some(pending) = pending else { return Ok(None) };
        let left: Vec<TxtRecord> = pending.records.iter().cloned().map(TxtRecord::from).collect();
        if *pending.directory != *self.directory {
            self.withdraw(&left).await;
            return Ok(None);
        }
        let key = KeyPair::from_pem(&pending.key);
        let order = account.order(pending.order.to_string()).await;
        match (order.map_err(|error| self.error(error)), key) {
            (Ok(mut order), Ok(key)) => {
                if order.state().status != OrderStatus::Invalid {
                    return Ok(Some((order, key, left)));
                }
            }
            (Err(error), _) if error.is_bad_nonce() => return Err(error),
            (Err(error @ AcmeError::Unreached { .. }), _) => return Err(error),
            (Ok(_) | Err(_), _) => {}
        }
        // It ended without a certificate, or the authority does not know it any more.
        self.withdraw(&left).await;
        self.store.drop_pending(self.name)?;
        Ok(None)
    }

    async fn begin(&self, account: &Account) -> Result<(Order, KeyPair), AcmeError> {
        let identifiers = [Identifier::Dns(self.name.into())];
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &self.autocert.profile {
            new = new.profile(profile);
        }
        let replaced = self.replaces.and_then(SignedCertificate::der);
        let replaced = replaced.and_then(|der| CertificateIdentifier::try_from(der).ok());
        let order = match replaced {
            // Whether an authority knows this field, only its answer tells.
            Some(id) => {
                let order = account.new_order(&new.replaces(id.into_owned())).await;
                match order.map_err(|error| self.error(error)) {
                    Err(error) if error.may_be_about_the_order() => {
                        let order = account.new_order(&self.plain(&identifiers)).await;
                        order.map_err(|error| self.error(error))
                    }
                    order => order,
                }
            }
            None => account.new_order(&new).await.map_err(|error| self.error(error)),
        };
        let order = order?;
        let key = KeyPair::generate()?;
        let pending = Pending {
            directory: self.directory.into(),
            order: order.url().into(),
            key: Zeroizing::new(key.serialize_pem()),
            records: Vec::new(),
        };
        self.store.put_pending(self.name, &pending)?;
        Ok((order, key))
    }

    /// Before a record is out: a crash must not leave it there for good.
    fn note(&self, record: &TxtRecord) -> Result<(), AcmeError> {
        if let Some(mut pending) = self.store.pending(self.name)? {
            let record = (record.name.clone(), record.value.clone());
            if !pending.records.contains(&record) {
                pending.records.push(record);
                self.store.put_pending(self.name, &pending)?;
            }
        }
        Ok(())
    }

    async fn withdraw(&self, records: &[TxtRecord]) {
        let Some(solver) = self.solver else { return };
        for record in records {
            solver.withdraw(record).await;
        }
    }

    fn plain<'a>(&'a self, identifiers: &'a [Identifier]) -> NewOrder<'a> {
        let new = NewOrder::new(identifiers);
        match &self.autocert.profile {
            Some(profile) => new.profile(profile),
            None => new,
        }
    }

    /// Answers what the authority wants proved, and waits until it has looked.
    async fn prove(
        &self,
        order: &mut Order,
        records: &mut Vec<TxtRecord>,
    ) -> Result<(Vec<ChallengeResponse>, &'static str), AcmeError> {
        let mut responses = Vec::new();
        let mut by = "";
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.error(error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let offered: Vec<ChallengeType> =
                authorization.challenges.iter().map(|challenge| challenge.r#type.clone()).collect();
            let kind = self.choose(&offered)?;
            by = word(&kind);
            let Some(mut challenge) = authorization.challenge(kind.clone()) else {
                return Err(no_challenge(&offered));
            };
            let authorization = challenge.key_authorization();
            match (kind, self.solver) {
                (ChallengeType::Dns01, Some(solver)) => {
                    let record = TxtRecord::proof(self.name, authorization.dns_value());
                    self.publish(solver, record, records).await?;
                }
                (ChallengeType::Http01, _) => {
                    let answer = self.challenges.put_http(&challenge.token, authorization.as_str());
                    responses.push(answer);
                }
                (_, _) => {
                    let digest = authorization.digest();
                    responses.push(self.challenges.put_tls(self.name, digest.as_ref())?);
                }
            }
            challenge.set_ready().await.map_err(|error| self.error(error))?;
        }
        self.ready(order, by).await?;
        Ok((responses, by))
    }

    async fn publish(
        &self,
        solver: &Solver,
        record: TxtRecord,
        records: &mut Vec<TxtRecord>,
    ) -> Result<(), AcmeError> {
        self.note(&record)?;
        if !records.contains(&record) {
            records.push(record.clone());
        }
        Ok(solver.publish(&record).await?)
    }

    /// Waits until the authority has looked at the response to its challenge `by`.
    async fn ready(&self, order: &mut Order, by: &'static str) -> Result<(), AcmeError> {
        if by.is_empty() {
            order.refresh().await.map_err(|error| self.error(error))?;
            return Ok(()); // every proof was remembered
        }
        let ready = order.poll_ready(&self.retries()).await;
        match ready {
            Ok(OrderStatus::Invalid) => Err(self.not_proven(order, by).await),
            Ok(_) => Ok(()),
            Err(error) => {
                let error = self.error(error);
                match matches!(error, AcmeError::Refused { .. }) && !error.is_bad_nonce() {
                    true => Err(self.not_proven(order, by).await),
                    false => Err(error),
                }
            }
        }
    }

    /// DNS-01 needs a provider that the operator named, HTTP-01 port 80, TLS-ALPN-01 port 443:
    /// whichever can work, what worked the last time first, another one after each failure.
    fn choose(&self, offered: &[ChallengeType]) -> Result<ChallengeType, AcmeError> {
        let mut able = Vec::new();
        able.extend(self.solver.map(|_| ChallengeType::Dns01));
        able.extend(self.has_http.then_some(ChallengeType::Http01));
        able.push(ChallengeType::TlsAlpn01);
        able.retain(|kind| offered.contains(kind));
        able.sort_by_key(|kind| word(kind) != self.proved_by); // stable
        let turn = usize::try_from(self.failures).unwrap_or_default();
        let turn = turn.checked_rem(able.len()).ok_or_else(|| no_challenge(offered))?;
        able.into_iter().nth(turn).ok_or_else(|| no_challenge(offered))
    }

    /// Why the authority found no proof: it says so in the challenge.
    async fn not_proven(&self, order: &mut Order, challenge: &'static str) -> AcmeError {
        let mut detail: Box<str> = "it does not say why".into();
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let Ok(state) = authorization.refresh().await else { continue };
            let mut errors = state.challenges.iter().filter_map(|one| one.error.as_ref());
            if let Some(problem) = errors.next() {
                detail = words(problem);
            }
        }
        if let Err(error) = self.store.drop_pending(self.name) {
            return error.into();
        }
        AcmeError::NotProven { challenge, detail }
    }

    fn request(&self, key: &KeyPair) -> Result<Vec<u8>, AcmeError> {
        let mut params = CertificateParams::new(vec![self.name.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        if self.autocert.must_staple {
            let feature = CustomExtension::from_oid_content(TLS_FEATURE, STATUS_REQUEST.to_vec());
            params.custom_extensions.push(feature);
        }
        Ok(params.serialize_request(key)?.der().to_vec())
    }

    async fn fetch(&self, order: &mut Order) -> Result<String, AcmeError> {
        let chain = match order.state().status {
            OrderStatus::Valid => match order.certificate().await {
                Ok(Some(chain)) => Ok(chain),
                Ok(None) => return Err(AcmeError::Slow),
                Err(error) => Err(error),
            },
            OrderStatus::Pending
            | OrderStatus::Ready
            | OrderStatus::Processing
            | OrderStatus::Invalid => order.poll_certificate(&self.retries()).await,
        };
        chain.map_err(|error| self.error(error))
    }

    fn keep(&self, key: &KeyPair, chain: &str) -> Result<SignedCertificate, AcmeError> {
        let pem = Zeroizing::new(format!("{}{chain}", key.serialize_pem()));
        let leaf = SignedCertificate::parse(pem.as_bytes()).map_err(AcmeError::Unusable);
        let leaf = leaf.and_then(|leaf| match leaf.is_for(self.name) {
            true => Ok(leaf),
            false => Err(AcmeError::Unusable("it is for another name")),
        });
        let leaf = match leaf {
            Ok(leaf) => leaf,
            Err(error) => {
                self.store.drop_pending(self.name)?; // it would come again
                return Err(error);
            }
        };
        self.store.put_leaf(self.name, pem.as_bytes())?;
        self.store.drop_pending(self.name)?;
        Ok(leaf)
    }

    fn retries(&self) -> RetryPolicy {
        let policy = RetryPolicy::new().initial_delay(self.acme_timeouts.first_poll);
        policy.backoff(1.5).timeout(self.acme_timeouts.validation)
    }

    fn error(&self, error: instant_acme::Error) -> AcmeError {
        self.transport.error(self.directory, error)
    }
}

fn no_challenge(offered: &[ChallengeType]) -> AcmeError {
    let offered: Vec<&str> = offered.iter().map(word).collect();
    AcmeError::NoChallenge { offered: offered.join(", ").into() }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "none of the others is answered")]
fn word(kind: &ChallengeType) -> &'static str {
    match kind {
        ChallengeType::Http01 => "http-01",
        ChallengeType::Dns01 => "dns-01",
        ChallengeType::TlsAlpn01 => "tls-alpn-01",
        _ => "another kind",
    }
}
