use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_rules::{people::BoxFuture, plan::TsigKey, secret::Secret, time::UnixTime};

use super::{
    DnsError, DnsRecords, TxtRecord,
    message::{Change, Reply, SOA, TXT, query, update},
    tsig,
};

/// How often it is looked whether the server gives a record out.
const LOOKS: u32 = 20;

/// Dynamic updates (RFC 2136) over TCP, signed where there is a key (RFC 8945).
pub struct Rfc2136 {
    server: Box<str>,
    zone: Option<Box<str>>,
    key: Option<TsigKey>,
    patience: Duration,
}

impl Rfc2136 {
    /// Speaks with `server`, `HOST:PORT`.
    pub fn new(
        server: &str,
        zone: Option<&str>,
        key: Option<&TsigKey>,
        patience: Duration,
    ) -> Self {
        let key = key.map(|key| TsigKey {
            name: key.name.clone(),
            algorithm: key.algorithm.clone(),
            secret: Secret::new(key.secret.expose()),
        });
        Self { server: server.into(), zone: zone.map(Into::into), key, patience }
    }

    async fn change(&self, record: &TxtRecord, change: Change) -> Result<(), DnsError> {
        let zone = self.zone_of(&record.name).await?;
        let mut message = update(id(), &zone, record, change)?;
        if let Some(key) = &self.key {
            tsig::sign(&mut message, key, now())?;
        }
        let reply = self.exchange(&message).await?;
        match reply.code {
            0 => Ok(()),
            code => Err(DnsError::Refused {
                server: self.server.clone(),
                why: why(code, &zone, self.key.is_some()).into(),
            }),
        }
    }

    /// The zone that the server has the name in: it names it when it is asked for a SOA.
    async fn zone_of(&self, name: &str) -> Result<Box<str>, DnsError> {
        if let Some(zone) = &self.zone {
            return Ok(zone.clone());
        }
        let reply = self.exchange(&query(id(), name, SOA)?).await?;
        let zone = reply.records.into_iter().find(|record| record.kind == SOA);
        let zone = zone.map(|record| record.owner).filter(|zone| {
            // The name itself may be a zone: a challenge that was delegated.
            name.strip_suffix(zone.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        });
        let (server, name) = (self.server.clone(), name.into());
        zone.map(Into::into).ok_or(DnsError::NoZone { server, name })
    }

    async fn is_seen(&self, record: &TxtRecord) -> Result<bool, DnsError> {
        let reply = self.exchange(&query(id(), &record.name, TXT)?).await?;
        Ok(reply.records.iter().any(|one| one.kind == TXT && *one.text() == *record.value))
    }

    async fn exchange(&self, message: &[u8]) -> Result<Reply, DnsError> {
        let unreached = |cause: String| DnsError::Unreached {
            server: self.server.clone(),
            cause: cause.into(),
        };
        let exchange = async {
            let mut stream = TcpStream::connect(&*self.server).await?;
            let length = u16::try_from(message.len()).unwrap_or_default();
            let mut framed = length.to_be_bytes().to_vec();
            framed.extend_from_slice(message);
            stream.write_all(&framed).await?;
            let mut reply = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut reply).await?;
            Ok::<_, std::io::Error>(reply)
        };
        let reply = tokio::time::timeout(self.patience, exchange)
            .await
            .map_err(|_| unreached("it did not answer in time".into()))?
            .map_err(|error| unreached(error.to_string()))?;
        let sent = message.get(..2).map(|id| id.to_vec());
        let reply =
            Reply::parse(&reply).filter(|reply| Some(reply.id.to_be_bytes().to_vec()) == sent);
        reply.ok_or_else(|| unreached("its answer can't be read".into()))
    }
}

impl DnsRecords for Rfc2136 {
    fn publish<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(async move {
            self.change(record, Change::Add).await?;
            for _ in 0..LOOKS {
                if self.is_seen(record).await? {
                    return Ok(());
                }
                tokio::time::sleep(self.patience / LOOKS).await;
            }
            let (server, name) = (self.server.clone(), record.name.clone());
            Err(DnsError::NotSeen { server, name })
        })
    }

    fn withdraw<'a>(&'a self, record: &'a TxtRecord) -> BoxFuture<'a, Result<(), DnsError>> {
        Box::pin(self.change(record, Change::Delete))
    }
}

/// What a response code means (RFC 2136 §2.2, RFC 8945 §5.2).
fn why(code: u16, zone: &str, signed: bool) -> String {
    match code {
        5 | 9 if !signed => format!(
            "it takes no unsigned updates for `{zone}`, or does not have the zone; set \
             `autocert_dns_tsig_name` and `autocert_dns_tsig_secret`"
        ),
        5 => {
            format!(
                "REFUSED: the key may not change `{zone}`; allow it in the zone's update policy"
            )
        }
        9 => {
            "NOTAUTH: the key's name, algorithm or secret is another one on the server, the clocks \
             are more than five minutes apart, or the server does not have the zone"
                .into()
        }
        10 => format!("NOTZONE: the record does not lie in `{zone}`; check `autocert_dns_zone`"),
        other => format!("response code {other}"),
    }
}

fn id() -> u16 {
    let mut octets = [0; 2];
    // Over TCP an id that can be guessed harms nobody.
    let _zero = aws_lc_rs::rand::fill(&mut octets);
    u16::from_be_bytes(octets)
}

/// The signature carries the machine's own time.
#[expect(clippy::disallowed_methods, reason = "the DNS server judges it by its own clock")]
fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(since.as_secs())
}
