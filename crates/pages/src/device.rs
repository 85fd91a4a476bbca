use crate::{
    contact::Contact,
    notice::{Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// 450: the policy says no to the device that was shown. Pomerium's own status, which programs know.
#[derive(Clone, Debug)]
pub struct DeviceRefused<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for DeviceRefused<'_> {
    fn notice(&self) -> Notice<'_> {
        let host = self.host;
        let mut advice = vec![Advice::text("Ask the person who runs this server to approve it.")];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 450,
            code: "device-unauthorized",
            title: "device not authorized",
            heading: Words::of("{host} can't be opened with this device.").with("host", host),
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}

/// 403: the policy asks for a device, and none can be enrolled here.
#[derive(Clone, Debug)]
pub struct NoDevices<'a> {
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

impl ErrorPage for NoDevices<'_> {
    fn notice(&self) -> Notice<'_> {
        let words = "Devices can't be enrolled here yet. Ask the person who runs this server for \
                     another way in.";
        let mut advice = vec![Advice::text(words)];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 403,
            code: "device-unauthenticated",
            title: "no device was shown",
            heading: Words::of("{host} wants to know your device.").with("host", self.host),
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}
