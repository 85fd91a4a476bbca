//! What was measured, and what it says.

use super::{contender::Contender, load::Scenario};
use crate::table::Table;

/// What one unit cost each contender in each repetition.
#[derive(Debug)]
pub struct Costs {
    /// What they were asked to do.
    pub scenario: Scenario,
    /// Contenders in a fixed order, each with one cost per repetition.
    pub rows: Vec<(Contender, Vec<f64>)>,
}

impl Costs {
    fn of(&self, wanted: Contender) -> Option<&[f64]> {
        self.rows.iter().find(|(contender, _)| *contender == wanted).map(|(_, costs)| &**costs)
    }

    /// What usher cost for each unit that `peer` cost, repetition by repetition.
    pub fn ratios(&self, peer: Contender) -> Option<Spread> {
        let (usher, peer) = (self.of(Contender::Usher)?, self.of(peer)?);
        Spread::of(usher.iter().zip(peer).map(|(usher, peer)| usher / peer).collect())
    }

    /// Was every aim reached that can be told from this?
    pub fn reached(&self) -> bool {
        self.rows.iter().all(|(peer, _)| match (peer.aim(self.scenario), self.ratios(*peer)) {
            (Some(aim), Some(ratio)) => ratio.median <= aim,
            _ => true,
        })
    }

    /// A row for each contender.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["", self.scenario.unit(), "usher / this", "aim", ""]);
        for (contender, costs) in &self.rows {
            let cost = Spread::of(costs.clone()).map_or_else(String::new, |spread| spread.text());
            let ratio = self.ratios(*contender).filter(|_| *contender != Contender::Usher);
            let aim = contender.aim(self.scenario);
            let verdict = match (&ratio, aim) {
                (Some(ratio), Some(aim)) if ratio.median <= aim => "reached",
                (Some(_), Some(_)) => "MISSED",
                _ => "",
            };
            table.row([
                contender.name().into(),
                cost,
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
            .filter_map(|(contender, costs)| {
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

    #[test]
    fn ratios_are_taken_inside_a_repetition() {
        // The machine was half as fast in the second repetition: the ratio must not see that.
        let rows = vec![
            (Contender::NginxAuthRequest, vec![10.0, 20.0, 10.0]),
            (Contender::Usher, vec![5.0, 10.0, 5.0]),
        ];
        let costs = Costs { scenario: Scenario::Small1, rows };
        let ratios = costs.ratios(Contender::NginxAuthRequest).unwrap();
        assert_eq!(ratios, Spread { least: 0.5, median: 0.5, most: 0.5 });
        assert!(costs.reached(), "0.5 is within 0.5");
        assert_eq!(costs.ratios(Contender::NginxTuned), None, "it took no part");
    }

    #[test]
    fn an_aim_can_be_missed() {
        let rows = vec![
            (Contender::NginxTuned, vec![10.0, 10.0, 10.0]),
            (Contender::Usher, vec![9.0, 9.6, 9.7]),
        ];
        let costs = Costs { scenario: Scenario::Small2, rows };
        assert!(!costs.reached(), "0.96 is more than 0.95");
        assert!(costs.table().text().contains("MISSED"));
    }
}
