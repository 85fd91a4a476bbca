//! Signs in to the usher under test, as a browser would, with curl for the browser.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{
    failure::Failure,
    front_door::{FrontDoor, HOST, Setup},
};

/// Whom the policy names.
pub const EMAIL: &str = "ann@example.com";
const SESSION: [&str; 2] = ["__Host-_pomerium", "_pomerium"];
const PASSWORD: &str = "a long one for the bench";

/// Adds the person that the policy names.
pub fn add_person(setup: &Setup<'_>) -> Result<(), Failure> {
    let words = ["people", "add", EMAIL, "--name", "Ann", "--group", "family", "--password-stdin"];
    let mut child = setup
        .command()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(Failure::io("usher people add"))?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{PASSWORD}").map_err(Failure::io("usher people add"))?;
    }
    let status = child.wait().map_err(Failure::io("usher people add"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Program { program: "usher people add".into(), what: status.to_string() })
}

/// The session cookie as it is sent: `name=value`. Asks the upstream whether it sees who we are.
pub fn cookie(setup: &Setup<'_>, door: &FrontDoor) -> Result<String, Failure> {
    let browser = Browser { setup, door };
    let _none_yet = fs::remove_file(browser.jar()); // nobody is signed in to a new browser
    let page = browser.get(&format!("https://{HOST}/assertion"), &[])?;
    let form = Form::find(&page.text).ok_or_else(|| browser.confused(&page))?;
    let action = page.resolve(&form.action);
    let mut fields = form.hidden;
    fields.push(("email".into(), EMAIL.into()));
    fields.push(("password".into(), PASSWORD.into()));
    let page = browser.get(&action, &fields)?;
    // header.payload.signature
    if page.text.split('.').count() != 3 || !page.text.starts_with("eyJ") {
        return Err(browser.confused(&page));
    }
    browser.session().ok_or_else(|| browser.confused(&page))
}

/// curl, with a jar.
struct Browser<'a> {
    setup: &'a Setup<'a>,
    door: &'a FrontDoor,
}

/// Where redirects ended, and what stood there.
struct Page {
    address: String,
    text: String,
}

impl Browser<'_> {
    /// Follows redirects; with fields it sends a form first.
    fn get(&self, address: &str, fields: &[(String, String)]) -> Result<Page, Failure> {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--location", "--max-redirs", "12", "--cacert"])
            .arg(&self.setup.certificate.chain)
            .args(["--connect-to", &format!("::{}", self.door.address)])
            .args(["--write-out", "\n%{url_effective}"])
            .args(["-H", "Accept: text/html", "-H", "Sec-Fetch-Mode: navigate"])
            .args(["-H", "Sec-Fetch-Dest: document", "-H", "Sec-Fetch-Site: same-origin"])
            .args(["-H", &format!("Origin: https://{HOST}")])
            .arg("--cookie")
            .arg(self.jar())
            .arg("--cookie-jar")
            .arg(self.jar());
        for (name, value) in fields {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let output = command.arg(address).output().map_err(Failure::io("curl"))?;
        if !output.status.success() {
            let what = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::Program { program: "curl".into(), what });
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let (text, address) = said.rsplit_once('\n').unwrap_or_default();
        Ok(Page { address: address.into(), text: text.into() })
    }

    fn jar(&self) -> PathBuf {
        self.setup.folder.join("cookies.txt")
    }

    /// The session's cookie from curl's jar: seven fields a line, parted by tabs. Its name tells
    /// whether it belongs to one host alone.
    fn session(&self) -> Option<String> {
        let jar = fs::read_to_string(self.jar()).ok()?;
        jar.lines().find_map(|line| {
            let mut fields = line.split('\t').skip(5);
            let name = fields.next().filter(|name| SESSION.contains(name))?;
            fields.next().map(|value| format!("{name}={value}"))
        })
    }

    fn confused(&self, page: &Page) -> Failure {
        let log = fs::read_to_string(self.setup.log()).unwrap_or_default();
        let what = format!("signing in ended at {}\n{}\n{log}", page.address, page.text);
        Failure::Program { program: "usher".into(), what }
    }
}

impl Page {
    /// A form's action as an address: forms here name a path, or nothing.
    fn resolve(&self, action: &str) -> String {
        let rest = self.address.strip_prefix("https://").unwrap_or_default();
        let host = rest.split('/').next().unwrap_or_default();
        match action {
            "" => self.address.clone(),
            path if path.starts_with('/') => format!("https://{host}{path}"),
            whole => whole.into(),
        }
    }
}

/// The form that asks for a password.
#[derive(Debug, PartialEq)]
pub struct Form {
    /// Where it goes.
    pub action: String,
    /// Fields that nobody fills in.
    pub hidden: Vec<(String, String)>,
}

impl Form {
    /// The first of a page.
    pub fn find(page: &str) -> Option<Self> {
        let form = page.split("<form").skip(1).find(|form| form.contains("\"password\""))?;
        let form = form.split("</form").next()?;
        let (head, fields) = form.split_once('>')?;
        let hidden = fields.split("<input").skip(1).filter_map(|input| {
            let input = input.split('>').next()?;
            let hidden = attribute(input, "type")? == "hidden";
            hidden.then(|| Some((attribute(input, "name")?, attribute(input, "value")?)))?
        });
        Some(Self {
            action: attribute(head, "action").unwrap_or_default(),
            hidden: hidden.collect(),
        })
    }
}

/// The value of `name="…"`, with the entities undone that our templates write.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    let value = after.split('"').next()?;
    let mut value = value.to_owned();
    for (entity, text) in [
        ("&#38;", "&"),
        ("&amp;", "&"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#61;", "="),
    ] {
        value = value.replace(entity, text);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn the_form_that_asks_for_a_password() {
        let page = r#"<form action="/other"></form>
            <form method="post" action="/go?a=1&amp;b=2"><input type="hidden" name="csrf" value="x&#38;y">
            <input type="email" name="email"><input type="password" name="password"></form>"#;
        let hidden = vec![("csrf".to_owned(), "x&y".to_owned())];
        assert_eq!(Form::find(page), Some(Form { action: "/go?a=1&b=2".into(), hidden }));
    }
}
