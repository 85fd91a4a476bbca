use url::Url;

use super::{HostedKey, Opened, PublicKey, SealedForm, Stamps, Version};
use crate::{
    signin::{CALLBACK, param},
    time::UnixTime,
};

/// What a proxy asks a service for: somebody's profile, brought back by their browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Whose request it is, and to whom the answer is sealed.
    pub sender: PublicKey,
    /// In which version the answer is written.
    pub version: Version,
    /// `pomerium_redirect_uri`: where the browser goes in the end, parsed.
    pub redirect: Url,
    /// The same as it came, which is how it goes back.
    pub redirect_text: Box<str>,
    /// `pomerium_idp_id`: the provider, by a name that means something to the proxy only.
    pub idp_id: Box<str>,
    /// Where the answer is delivered.
    pub callback: Url,
    /// `pomerium_programmatic`: a program waits for it.
    pub programmatic: bool,
    /// `pomerium_bind_session`: goes back as it came.
    pub bind_session: Option<Box<str>>,
}

/// A program that waits for a handle on its own machine.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The proxy's callback.
    pub callback: &'a str,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// It does not say where the browser goes in the end.
    #[error("the request names no address to come back to")]
    NoRedirect,
    /// That is no web address with a host.
    #[error("the address to come back to is not `https://HOST/…`")]
    Redirect,
    /// Where the answer is to be delivered is no web address with a host.
    #[error("the address for the answer is not `https://HOST/…`")]
    Callback,
}

impl Request {
    /// The query of a sign-in URL: what a proxy sends. `None` when the service's key can't be
    /// sealed to. `version` is what `pomerium_version` says, `uuid` a fresh one.
    #[expect(clippy::too_many_arguments, reason = "one per parameter of the wire")]
    pub fn ask(
        ours: &HostedKey,
        service: &PublicKey,
        redirect: &str,
        idp_id: &str,
        program: Option<Program<'_>>,
        version: &str,
        uuid: &str,
        ephemeral: [u8; 32],
        now: UnixTime,
    ) -> Option<String> {
        let [issued, expiry] = Stamps::at(now).texts();
        let mut pairs = vec![
            (param::EXPIRY, expiry.as_str()),
            (param::IDP_ID, idp_id),
            (param::ISSUED, issued.as_str()),
            (param::REDIRECT_URI, redirect),
            (param::REQUEST_UUID, uuid),
            (param::VERSION, version),
        ];
        if let Some(program) = program {
            pairs.push((param::CALLBACK_URI, program.callback));
            pairs.push((param::PROGRAMMATIC, "true"));
        }
        SealedForm::seal(pairs, Version::V2, ours, service, ephemeral)
    }

    /// Reads what a proxy asked for. Its stamps are not looked at, as the real service does not:
    /// whoever asks gets somebody's profile only where the operator allows it.
    ///
    /// # Errors
    ///
    /// [`RequestFault`], one variant per rule.
    pub fn read(opened: &Opened) -> Result<Self, RequestFault> {
        let form = &opened.form;
        let redirect = form.text(param::REDIRECT_URI).filter(|text| !text.is_empty());
        let redirect_text = redirect.ok_or(RequestFault::NoRedirect)?;
        let redirect = web(redirect_text).ok_or(RequestFault::Redirect)?;
        let programmatic = form.text(param::PROGRAMMATIC).is_some(); // whatever it says (measured)
        let callback = match form.text(param::CALLBACK_URI).filter(|text| !text.is_empty()) {
            Some(text) => web(text).ok_or(RequestFault::Callback)?,
            None => {
                let mut callback = redirect.clone();
                callback.set_path(CALLBACK);
                callback.set_query(None);
                callback
            }
        };
        Ok(Self {
            sender: opened.sender,
            version: opened.version,
            redirect,
            redirect_text: redirect_text.into(),
            idp_id: form.text(param::IDP_ID).unwrap_or_default().into(),
            callback,
            programmatic,
            bind_session: form.text(param::BIND_SESSION).map(Into::into),
        })
    }
}

/// A web address with a host, nobody's name and no fragment in it.
fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    (plain && is_web).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::web;

    #[test]
    fn addresses_that_a_proxy_may_name() {
        for (given, expected, why) in [
            ("https://tv.example/x?y", true, "an address"),
            ("http://tv.example/", true, "one without TLS"),
            ("https://ann@tv.example/", false, "a name"),
            ("https://:pw@tv.example/", false, "a password"),
            ("https://tv.example/#x", false, "a fragment"),
            ("https://ann@tv.example/#x", false, "both"),
            ("javascript:alert(1)", false, "no web address"),
            ("ftp://tv.example/", false, "another protocol"),
            ("file:///etc/passwd", false, "no host"),
            ("/x", false, "no address"),
        ] {
            assert_eq!(web(given).is_some(), expected, "{given}: {why}");
        }
    }
}
