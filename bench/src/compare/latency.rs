//! How long small requests take at a pace that leaves room, alone and beside films.

use std::net::SocketAddr;

use super::{Contender, Peers, Ushers, Wanted, costs::Spread, scenario::Scenario};
use crate::{client::Protocol, failure::Failure, table::Table};

/// The test's name on the command line and in the results.
pub const LATENCY: &str = "p99";

/// How long each load lasts, in seconds.
pub const SECONDS: u32 = 8;
/// Which part of the lowest peak is asked for by itself.
const ALONE: f64 = 0.7;
/// And beside films, which take whatever is left.
const BESIDE_FILMS: f64 = 0.1;
/// Usher's p99 for each of nginx's.
pub const AIM: f64 = 1.0;

/// What goes on beside the small requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// Eight films, each read as fast as it comes.
    Films,
}

impl Beside {
    /// Both, in the order of the tables.
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Films];

    const fn share(self) -> f64 {
        match self {
            Self::Nothing => ALONE,
            Self::Films => BESIDE_FILMS,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "at 70 % of the lowest peak",
            Self::Films => "at 10 % of the lowest peak, beside eight films at full rate",
        }
    }
}

/// What was seen of one situation.
#[derive(Debug)]
pub struct Latency {
    /// Over which HTTP.
    pub protocol: Protocol,
    /// Beside what.
    pub beside: Beside,
    /// Requests a second, the same for all, in each repetition.
    pub rates: Vec<f64>,
    /// A contender each.
    pub rows: Vec<Row>,
}

/// What was seen of one contender.
#[derive(Debug)]
pub struct Row {
    /// Whose.
    pub contender: Contender,
    /// `[p50, p99, p99.9, p99 of a second]` in milliseconds in each repetition; the last is the
    /// middle one of those of each second.
    pub seen: Vec<[f64; 4]>,
    /// How many percent of the time the load's core was idle, in each repetition where that is
    /// known.
    pub idle: Vec<f64>,
}

impl Row {
    const fn new(contender: Contender) -> Self {
        Self { contender, seen: Vec::new(), idle: Vec::new() }
    }

    /// The quantile of that number in the middle of the repetitions, and its ends.
    pub fn spread(&self, nth: usize) -> Option<Spread> {
        Spread::of(self.seen.iter().filter_map(|one| one.get(nth).copied()).collect())
    }
}

impl Latency {
    /// For people.
    pub fn title(&self) -> String {
        format!("latency of small requests, {}, {}", self.protocol.name(), self.beside.words())
    }

    fn of(&self, wanted: Contender) -> Option<&[[f64; 4]]> {
        self.rows.iter().find(|row| row.contender == wanted).map(|row| &*row.seen)
    }

    /// Usher's p99 for each millisecond of `peer`'s, repetition by repetition.
    pub fn ratios(&self, peer: Contender) -> Option<Spread> {
        self.compared(peer, |[_, high, ..]| *high)
    }

    /// The same of the p99 of a second.
    pub fn usual_ratios(&self, peer: Contender) -> Option<Spread> {
        self.compared(peer, |[.., usual]| *usual)
    }

    fn compared(&self, peer: Contender, figure: impl Fn(&[f64; 4]) -> f64) -> Option<Spread> {
        let (usher, peer) = (self.of(Contender::Usher)?, self.of(peer)?);
        Spread::of(
            usher.iter().zip(peer).map(|(usher, peer)| figure(usher) / figure(peer)).collect(),
        )
    }

    /// What the p99 may be at most, for each of this one's.
    pub fn aim(peer: Contender) -> Option<f64> {
        (peer == Contender::NginxTuned).then_some(AIM)
    }

    /// Is usher's p99 no worse than nginx's?
    pub fn reached(&self) -> bool {
        self.ratios(Contender::NginxTuned).is_none_or(|ratio| ratio.median <= AIM)
    }

    /// How idle the load's core was, which is measured itself where it was full.
    pub fn note(&self) -> Option<String> {
        let all = self.rows.iter().flat_map(|row| row.idle.iter().copied()).collect();
        let Spread { least, most, .. } = Spread::of(all)?;
        Some(format!("the load's core was idle for {least:.0} to {most:.0} % of the time"))
    }

    /// A row for each contender.
    pub fn table(&self) -> Table {
        let mut table = Table::new([
            "",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "p99 ms of a second",
            "usher / this, of a second",
            "usher / this, p99",
            "aim",
            "",
        ]);
        for row in &self.rows {
            let contender = row.contender;
            let [middle, high, highest, usual] =
                [0, 1, 2, 3].map(|nth| row.spread(nth).map_or_else(String::new, |it| it.text()));
            let of_another =
                |ratio: Option<Spread>| ratio.filter(|_| contender != Contender::Usher);
            let usual_ratio = of_another(self.usual_ratios(contender));
            let usual_ratio = usual_ratio.map_or_else(|| "-".into(), |it| it.text());
            let ratio = of_another(self.ratios(contender));
            let verdict = match (&ratio, Self::aim(contender)) {
                (Some(ratio), Some(aim)) if ratio.median <= aim => "reached",
                (Some(_), Some(_)) => "MISSED",
                _ => "",
            };
            let ratio = ratio.map_or_else(|| "-".into(), |it| it.text());
            let aim = Self::aim(contender).map_or_else(|| "-".into(), |aim| format!("{aim:.2}"));
            let name = contender.name().into();
            let verdict = verdict.into();
            table.row([name, middle, high, highest, usual, usual_ratio, ratio, aim, verdict]);
        }
        table
    }
}

/// Both situations over both versions of HTTP; one after the other inside a repetition.
pub fn measure(wanted: &Wanted, peers: &Peers, ushers: &Ushers) -> Result<Vec<Latency>, Failure> {
    let mut all = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let compared: Vec<Contender> =
            wanted.contenders.iter().copied().filter(|it| it.is_paced()).collect();
        let mut both = Beside::ALL.map(|beside| {
            let rows = compared.iter().copied().map(Row::new).collect();
            Latency { protocol, beside, rates: Vec::new(), rows }
        });
        for _ in 0..wanted.repetitions {
            let peak = lowest_peak(&compared, protocol, peers, ushers)?;
            for latency in &mut both {
                let rate = (peak * latency.beside.share()).floor();
                latency.rates.push(rate);
                latency.rows.reverse();
                let title = latency.title();
                for row in &mut latency.rows {
                    let Some((asked, load)) = ushers.find(row.contender, peers) else { continue };
                    let films = match latency.beside {
                        Beside::Nothing => None,
                        Beside::Films => Some(load.films(protocol, asked.address)?),
                    };
                    let paced = load
                        .paced(protocol, asked.address, (rate, SECONDS))
                        .map_err(Failure::exchange(format!("{}, {title}", row.contender.name())))?;
                    if films.is_some_and(|mut films| films.ended()) {
                        return Err(films_ended(asked.address));
                    }
                    row.seen.push(paced.micros.map(|micros| micros / 1000.0));
                    row.idle.extend(paced.idle);
                }
            }
        }
        for latency in &mut both {
            latency.rows.sort_by_key(|row| row.contender);
        }
        all.extend(both);
    }
    Ok(all)
}

/// Requests a second that every one of them can do.
fn lowest_peak(
    contenders: &[Contender],
    protocol: Protocol,
    peers: &Peers,
    ushers: &Ushers,
) -> Result<f64, Failure> {
    let scenario = match protocol {
        Protocol::Http1 => Scenario::Small1,
        Protocol::Http2 => Scenario::Small2,
    };
    let mut lowest = f64::INFINITY;
    for contender in contenders {
        let Some((asked, load)) = ushers.find(*contender, peers) else { continue };
        load.warm_up(scenario, asked.address)?;
        lowest = lowest.min(load.run(scenario, asked.address)? / f64::from(super::load::SECONDS));
    }
    Ok(lowest)
}

fn films_ended(address: SocketAddr) -> Failure {
    Failure::Program { program: "films".into(), what: format!("{address}: they ended too early") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_p99_is_compared_inside_a_repetition() {
        let nginx = vec![[1.0, 2.0, 3.0, 2.0], [1.0, 4.0, 9.0, 2.0], [1.0, 2.0, 3.0, 2.0]];
        let usher = vec![[9.0, 1.0, 9.0, 3.0], [9.0, 4.0, 9.0, 4.0], [9.0, 3.0, 9.0, 6.0]];
        let latency = Latency {
            protocol: Protocol::Http2,
            beside: Beside::Films,
            rates: vec![1000.0; 3],
            rows: vec![
                Row { seen: nginx, idle: vec![41.0, 12.4], ..Row::new(Contender::NginxTuned) },
                Row { seen: usher, idle: vec![20.0], ..Row::new(Contender::Usher) },
            ],
        };
        let ratio = latency.ratios(Contender::NginxTuned).unwrap();
        assert_eq!(ratio, Spread { least: 0.5, median: 1.0, most: 1.5 });
        let usual = latency.usual_ratios(Contender::NginxTuned).unwrap();
        assert_eq!(usual, Spread { least: 1.5, median: 2.0, most: 3.0 });
        assert!(latency.reached(), "no worse than nginx's");
        assert!(latency.table().text().contains("reached"));
        let note = latency.note().unwrap();
        assert_eq!(note, "the load's core was idle for 12 to 41 % of the time");
    }
}
