use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    names::address_range,
    policy::report::Report,
    yaml::{Kind, Node},
};

/// Compares the peer's address with addresses and ranges.
#[derive(Clone, Debug)]
pub(crate) struct AddressMatch {
    ranges: Box<[IpNet]>,
}

impl AddressMatch {
    /// Reads one address or range, or a list of them.
    pub(crate) fn read(criterion: &str, data: &Node, report: &mut Report<'_>) -> Option<Self> {
        let items = match &data.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Scalar { .. } | Kind::Map(_) => std::slice::from_ref(data),
        };
        if items.is_empty() {
            report.empty_operand(criterion, data, "no address is in it");
        }
        let read: Vec<_> = items
            .iter()
            .map(|item| {
                let range = item.text().and_then(address_range);
                if range.is_none() {
                    report.not_an_address(criterion, item);
                }
                range
            })
            .collect();
        let ranges = read.into_iter().collect::<Option<Box<_>>>()?;
        Some(Self { ranges })
    }

    /// Is `address` in one of the ranges? IPv4 inside IPv6 is IPv4, in both directions.
    pub(crate) fn takes(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.ranges.iter().any(|range| range.contains(&address))
    }

    /// Is every address of both families in one of them, whichever way they are cut?
    pub(crate) fn takes_all(&self) -> bool {
        let whole = IpNet::aggregate(&self.ranges.to_vec());
        let all_of = |is_v4: fn(&IpNet) -> bool| {
            whole.iter().any(|range| range.prefix_len() == 0 && is_v4(range))
        };
        all_of(|range| matches!(range, IpNet::V4(_)))
            && all_of(|range| matches!(range, IpNet::V6(_)))
    }

    /// In words, for `explain`.
    pub(crate) fn in_words(&self) -> String {
        let ranges: Vec<String> = self.ranges.iter().map(|range| format!("`{range}`")).collect();
        match ranges.as_slice() {
            [] => "is in nothing".into(),
            [only] => format!("is in {only}"),
            _ => format!("is in one of {}", ranges.join(", ")),
        }
    }
}
