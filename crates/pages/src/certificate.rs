use crate::{
    contact::Contact,
    notice::{Advice, ErrorPage, Notice},
    receipt::Receipt,
    words::Words,
};

/// 495: the browser has to show a certificate that counts here. The status is the real server's; it is
/// in no standard.
#[derive(Clone, Debug)]
pub struct CertificateNeeded<'a> {
    /// What is missing.
    pub lacks: Lack,
    /// The host that was asked for.
    pub host: &'a str,
    /// Whom to ask, where the operator says.
    pub contact: Option<Contact<'a>>,
    /// Request and time.
    pub receipt: Receipt<'a>,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No certificate was shown.
    Certificate,
    /// The one that was shown has ended, was taken back, or is somebody else's.
    Validity,
}

impl ErrorPage for CertificateNeeded<'_> {
    fn notice(&self) -> Notice<'_> {
        let host = self.host;
        let (code, heading, words) = match self.lacks {
            Lack::Certificate => (
                "client-certificate-required",
                Words::of("{host} asks for a certificate, and your browser showed none.")
                    .with("host", host),
                "Install the certificate that the person who runs this server gave you, close the \
                 browser, open it again and choose it when you are asked.",
            ),
            Lack::Validity => (
                "invalid-client-certificate",
                Words::of("The certificate that your browser showed does not count for {host}.")
                    .with("host", host),
                "It has ended, was taken back, or is for another server. If you have another one, \
                 close the browser, open it again and choose that.",
            ),
        };
        let mut advice = vec![
            Advice::text(words),
            Advice::text("Ask the person who runs this server for one if you have none."),
        ];
        advice.extend(self.contact.map(Advice::Contact));
        Notice {
            status: 495,
            code,
            title: "a certificate is needed",
            heading,
            advice,
            reasons: &[],
            action: None,
            receipt: self.receipt,
        }
    }
}
