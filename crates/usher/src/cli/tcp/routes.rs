//! `usher routes`: what somebody may reach, as its page says.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use serde_json::Value;

use super::{Failure, client::Client, options::Options, said};

/// List what you may reach, and the command that opens each tunnel.
///
/// Sign-in opens your browser, or prints the address; it counts for the next time, too.
/// Exit status: 0 done, 1 nothing is open to you, 2 bad usage, 3 not reached, 4 nobody signed in.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A host of the server, such as `tv.example.com`
    #[arg(value_name = "HOST")]
    host: String,
    /// As the server says it, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: Options,
}

/// Lists them.
pub fn run(args: &Args) -> ExitCode {
    said(async {
        let client = Client::of_host(&args.host, &args.options)?;
        let text = client.routes().await?;
        let unread = || Failure::Unread { proxy: client.proxy.address.origin().into() };
        let listed: Value = serde_json::from_str(&text).map_err(|_| unread())?;
        let routes = listed.get("routes").and_then(Value::as_array).ok_or_else(unread)?;
        if args.json {
            let _nobody_reads = writeln!(io::stdout(), "{listed}");
            return Ok(());
        }
        if routes.is_empty() {
            return Err(Failure::NothingOpen);
        }
        let _nobody_reads = write!(io::stdout(), "{}", table(routes));
        Ok(())
    })
}

/// A longer address moves its own line alone.
const WIDEST: usize = 80;

/// A line for each: where it is, what opens it, and what its config says of it.
fn table(routes: &[Value]) -> String {
    let rows: Vec<_> = routes.iter().map(row).collect();
    let width = |column: fn(&[String; 3]) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or_default().min(WIDEST)
    };
    let (from, opens) = (width(|[from, ..]| from), width(|[_, opens, _]| opens));
    let lines = rows.iter().map(|[address, command, words]| {
        let line = format!("{address:from$}  {command:opens$}  {words}");
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

fn row(route: &Value) -> [String; 3] {
    let member = |name: &str| plain(route[name].as_str().unwrap_or_default());
    let (from, kind) = (member("from"), member("type"));
    let command = match kind.as_str() {
        "tcp" | "udp" => {
            let to = from.split_once("+https://").map(|(_, to)| to);
            let to = to.filter(|to| !to.contains('/')).unwrap_or(&from);
            format!("usher {kind} {to}")
        }
        _ => String::new(),
    };
    let words = [member("name"), member("description")];
    let words: Vec<_> = words.into_iter().filter(|words| !words.is_empty()).collect();
    [from, command, words.join(": ")]
}

/// What a server says moves no cursor and colours nothing.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::table;

    #[test]
    fn routes_are_listed_with_what_opens_them_and_nothing_else() {
        let routes = [
            json!({"type": "http", "from": "https://tv.test", "name": "TV", "description": "films"}),
            json!({"type": "tcp", "from": "tcp+https://p.test/db:5432", "name": ""}),
            json!({"type": "udp", "from": "udp+https://dns.test:53", "name": "\u{1b}[2Jn\ns"}),
            json!(7),
        ];
        let expected = "\
https://tv.test                                                   TV: films
tcp+https://p.test/db:5432  usher tcp tcp+https://p.test/db:5432
udp+https://dns.test:53     usher udp dns.test:53                 [2Jns

";
        assert_eq!(table(&routes), expected);
    }
}
