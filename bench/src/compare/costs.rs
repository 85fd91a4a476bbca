//! What was measured, and what it says.

use super::{contender::Contender, scenario::Scenario};
use crate::table::Table;

/// What one unit cost each contender in each repetition.
#[derive(Debug)]
pub struct Costs {
    /// What they were asked to do.
    pub scenario: Scenario,
    /// Contenders in a fixed order.
    pub rows: Vec<Row>,
}

/// What one unit cost one contender.
#[derive(Debug)]
pub struct Row {
    /// Whom.
    pub contender: Contender,
    /// In each repetition, with what the service cost that it asked.
    pub costs: Vec<f64>,
    /// The same without that service; empty of those who ask none.
    pub alone: Vec<f64>,
}

impl Row {
    /// Of somebody who was asked nothing yet.
    pub const fn new(contender: Contender) -> Self {
        Self { contender, costs: Vec::new(), alone: Vec::new() }
    }
}

impl Costs {
    fn of(&self, wanted: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == wanted)
    }

    /// What usher cost for each unit that `peer` cost, repetition by repetition.
    pub fn ratios(&self, peer: Contender) -> Option<Spread> {
        self.ratios_to(&self.of(peer)?.costs)
    }

    /// The same beside `peer` without the service that it asks.
    pub fn ratios_alone(&self, peer: Contender) -> Option<Spread> {
        self.ratios_to(&self.of(peer)?.alone)
    }

    fn ratios_to(&self, peer: &[f64]) -> Option<Spread> {
        let usher = &self.of(Contender::Usher)?.costs;
        Spread::of(usher.iter().zip(peer).map(|(usher, peer)| usher / peer).collect())
    }

    /// Was every aim reached that can be told from this?
    pub fn reached(&self) -> bool {
        let peers = self.rows.iter().map(|row| row.contender);
        peers.into_iter().all(|peer| match (peer.aim(self.scenario), self.ratios(peer)) {
            (Some(aim), Some(ratio)) => ratio.median <= aim,
            _ => true,
        })
    }

    /// A row for each contender, and for those who ask a service one without it.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["", self.scenario.unit(), "usher / this", "aim", ""]);
        let cost = |costs: &[f64]| {
            Spread::of(costs.to_vec()).map_or_else(String::new, |spread| spread.text())
        };
        for Row { contender, costs, alone } in &self.rows {
            if let Some(ratio) = self.ratios_alone(*contender) {
                let name = format!("{}, proxy alone", contender.name());
                table.row([name, cost(alone), ratio.text(), "-".into(), String::new()]);
            }
            let ratio = self.ratios(*contender).filter(|_| *contender != Contender::Usher);
            let aim = contender.aim(self.scenario);
            let included = if contender.asks() { ", authorizer included" } else { "" };
            let verdict = match (&ratio, aim) {
                (Some(ratio), Some(aim)) if ratio.median <= aim => "reached",
                (Some(_), Some(_)) => "MISSED",
                _ => "",
            };
            table.row([
                format!("{}{included}", contender.name()),
                cost(costs),
                ratio.map_or_else(|| "-".into(), |ratio| ratio.text()),
                aim.map_or_else(|| "-".into(), |aim| format!("{aim:.2}")),
                verdict.into(),
            ]);
        }
        table
    }

    /// One line per repetition on the way, so that somebody who waits sees something.
    pub fn trace(&self, repetition: usize) {
        let costs: Vec<_> = self
            .rows
            .iter()
            .filter_map(|Row { contender, costs, .. }| {
                Some(format!("{} {:.3}", contender.name(), costs.get(repetition)?))
            })
            .collect();
        eprintln!("  {} {}: {}", self.scenario.title(), repetition + 1, costs.join(" · "));
    }
}

/// The middle and the ends of a few figures.
#[derive(Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub least: f64,
    /// The one in the middle.
    pub median: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// `None` of nothing.
    pub fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let median = *figures.get(figures.len() / 2)?;
        Some(Self { least: *figures.first()?, median, most: *figures.last()? })
    }

    /// `median (least to most)`.
    pub fn text(&self) -> String {
        let Self { least, median, most } = self;
        format!("{median:.2} ({least:.2} to {most:.2})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: Contender, costs: [f64; 3]) -> Row {
        Row { costs: costs.to_vec(), ..Row::new(contender) }
    }

    #[test]
    fn ratios_are_taken_inside_a_repetition() {
        // The machine was half as fast in the second repetition: the ratio must not see that.
        let alone = vec![8.0, 16.0, 8.0];
        let asking = Row { alone, ..row(Contender::NginxAuthRequest, [10.0, 20.0, 10.0]) };
        let rows = vec![asking, row(Contender::Usher, [5.0, 10.0, 5.0])];
        let costs = Costs { scenario: Scenario::Small1, rows };
        let ratios = costs.ratios(Contender::NginxAuthRequest).unwrap();
        assert_eq!(ratios, Spread { least: 0.5, median: 0.5, most: 0.5 });
        assert!(costs.reached(), "0.5 is within 0.5: what decides is asked for, and counts");
        let alone = costs.ratios_alone(Contender::NginxAuthRequest).unwrap();
        assert_eq!(alone.median, 0.625);
        let text = costs.table().text();
        assert!(text.contains("auth_request, proxy alone"), "{text}");
        assert!(text.contains("auth_request, authorizer included"), "{text}");
        assert_eq!(costs.ratios(Contender::NginxTuned), None, "it took no part");
    }

    #[test]
    fn an_aim_can_be_missed() {
        let rows = vec![
            row(Contender::NginxTuned, [10.0, 10.0, 10.0]),
            row(Contender::Usher, [9.0, 9.6, 9.7]),
        ];
        let costs = Costs { scenario: Scenario::Small2, rows };
        assert!(!costs.reached(), "0.96 is more than 0.95");
        assert!(costs.table().text().contains("MISSED"));
    }
}
