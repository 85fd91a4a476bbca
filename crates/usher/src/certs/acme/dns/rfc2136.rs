use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::{
    op::{Message, Query, ResponseCode, update_message},
    rr::{
        DNSClass, Name, RData, Record, RecordSet, RecordType, TSigner,
        rdata::{TXT, tsig::TsigAlgorithm},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use usher_rules::{
    people::BoxFuture,
    plan::{self, TsigKey},
    secret::Secret,
};

use super::{DnsError, DnsRecords, TxtRecord};

/// How long a record may be kept by others, in seconds.
const TTL: u32 = 60;
/// How far the clocks of both sides may be apart, in seconds.
const FUDGE: u16 = 300;
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
            algorithm: key.algorithm,
            secret: Secret::new(key.secret.expose()),
        });
        Self { server: server.into(), zone: zone.map(Into::into), key, patience }
    }

    async fn change(&self, record: &TxtRecord, change: Change) -> Result<(), DnsError> {
        let refused = |code, zone: &Name| DnsError::Refused {
            server: self.server.clone(),
            why: why(code, &zone.to_ascii(), self.key.is_some()).into(),
        };
        let (owner, zone) = (name(&record.name)?, self.zone_of(&record.name).await?);
        if !zone.zone_of(&owner) {
            return Err(refused(ResponseCode::NotZone, &zone)); // the library would panic
        }
        let text = RData::TXT(TXT::new(vec![record.value.as_ref().into()]));
        let record_set = RecordSet::from(Record::from_rdata(owner, TTL, text));
        let mut message = match change {
            Change::Add => update_message::append(record_set, zone.clone(), false, false),
            Change::Delete => update_message::delete_by_rdata(record_set, zone.clone(), false),
        };
        if let Some(key) = &self.key {
            let unfit = |_| DnsError::Unfit(record.name.clone());
            message.finalize(&signer(key)?, now()).map_err(unfit)?;
        }
        let code = self.exchange(&message).await?.response_code;
        if code == ResponseCode::NoError { Ok(()) } else { Err(refused(code, &zone)) }
    }

    /// The zone that the server has the name in: it names it when it is asked for a SOA.
    async fn zone_of(&self, host: &str) -> Result<Name, DnsError> {
        if let Some(zone) = &self.zone {
            return name(zone);
        }
        let host = name(host)?;
        let reply = self.exchange(&query(host.clone(), RecordType::SOA)).await?;
        let mut records = reply.answers.into_iter().chain(reply.authorities);
        let zone = records.find(|record| record.record_type() == RecordType::SOA);
        // The name itself may be a zone: a challenge that was delegated.
        let zone = zone.map(|record| record.name).filter(|zone| zone.zone_of(&host));
        let (server, name) = (self.server.clone(), host.to_ascii().into());
        zone.ok_or(DnsError::NoZone { server, name })
    }

    async fn is_seen(&self, record: &TxtRecord) -> Result<bool, DnsError> {
        let reply = self.exchange(&query(name(&record.name)?, RecordType::TXT)).await?;
        let is_it = |one: &Record| {
            matches!(&one.data, RData::TXT(text)
                if text.txt_data.concat() == record.value.as_bytes())
        };
        Ok(reply.answers.iter().any(is_it))
    }

    /// One message and its answer, over TCP (RFC 1035 §4.2.2).
    async fn exchange(&self, message: &Message) -> Result<Message, DnsError> {
        let unreached = |cause: String| DnsError::Unreached {
            server: self.server.clone(),
            cause: cause.into(),
        };
        let subject = || message.queries.first().map(|query| query.name().to_ascii());
        let unfit = || DnsError::Unfit(subject().unwrap_or_default().into());
        let octets = message.to_vec().map_err(|_| unfit())?;
        let length = u16::try_from(octets.len()).map_err(|_| unfit())?;
        let exchange = async {
            let mut stream = TcpStream::connect(&*self.server).await?;
            stream.write_all(&[&length.to_be_bytes(), octets.as_slice()].concat()).await?;
            let mut reply = vec![0; usize::from(stream.read_u16().await?)];
            stream.read_exact(&mut reply).await?;
            Ok::<_, std::io::Error>(reply)
        };
        let reply = tokio::time::timeout(self.patience, exchange)
            .await
            .map_err(|_| unreached("it did not answer in time".into()))?
            .map_err(|error| unreached(error.to_string()))?;
        let reply = Message::from_vec(&reply).ok().filter(|reply| reply.id == message.id);
        reply.ok_or_else(|| unreached("its answer can't be read".into()))
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Add,
    Delete,
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

/// RFC 2136 §2.2, RFC 8945 §5.2.
fn why(code: ResponseCode, zone: &str, signed: bool) -> String {
    let zone = zone.trim_end_matches('.');
    match u16::from(code) {
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

/// By labels as they are: `_acme-challenge` is none that IDNA would take.
fn name(text: &str) -> Result<Name, DnsError> {
    let mut name = Name::from_ascii(text).map_err(|_| DnsError::Unfit(text.into()))?;
    name.set_fqdn(true);
    Ok(name)
}

fn query(name: Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let mut query = Query::query(name, kind);
    query.set_query_class(DNSClass::IN);
    message.add_query(query);
    message
}

fn signer(key: &TsigKey) -> Result<TSigner, DnsError> {
    let algorithm = match key.algorithm {
        plan::TsigAlgorithm::HmacSha512 => TsigAlgorithm::HmacSha512,
        plan::TsigAlgorithm::HmacSha384 => TsigAlgorithm::HmacSha384,
        plan::TsigAlgorithm::HmacSha256 => TsigAlgorithm::HmacSha256,
    };
    let signer = TSigner::new(key.secret.expose().to_vec(), algorithm, name(&key.name)?, FUDGE);
    signer.map_err(|_| DnsError::Unfit(key.name.clone()))
}

/// The signature carries the machine's own time.
#[expect(clippy::disallowed_methods, reason = "the DNS server judges it by its own clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
