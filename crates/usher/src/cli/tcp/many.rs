//! `usher tunnels`: a small file of tunnels that are kept open.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use futures_util::{FutureExt as _, future::join_all};
use usher_rules::plan::Carried;

use super::{
    Failure, address::Address, client::Client, flows, home, listen, options::Options, said, udp,
};

/// Open the tunnels of a file, and keep their ports open.
///
/// A line of it is a port and what it leads to, `127.0.0.1:2222 ssh.example.com:22`, or
/// `127.0.0.1:5353 udp+https://dns.example.com:53` for UDP; `#` begins a comment. One sign-in serves all that lead through the same host.
/// Exit status: 2 bad usage or file, 3 no port can be had.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file [default: ~/.config/usher/tunnels]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Runs until it is stopped.
pub fn run(args: &Args) -> ExitCode {
    said(async {
        let file = args.file.clone().or_else(in_home).ok_or(Failure::NoFile)?;
        serve(&file, &args.options).await
    })
}

/// `$XDG_CONFIG_HOME/usher/tunnels`, else `~/.config/usher/tunnels`.
fn in_home() -> Option<PathBuf> {
    let base = home::folder("XDG_CONFIG_HOME", ".config", |name| std::env::var_os(name));
    base.map(|base| base.join("usher/tunnels"))
}

async fn serve(file: &Path, options: &Options) -> Result<(), Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::File(file.to_owned(), error.to_string().into()))?;
    let lines = lines(&text).map_err(|(line, why)| Failure::Line(file.to_owned(), line, why))?;
    let mut clients: Vec<Arc<Client>> = Vec::new();
    let mut ports = Vec::new();
    for (at, to) in lines {
        let client = Arc::new(Client::of(to.text, to.carried, options)?.beside(&clients));
        ports.push(match to.carried {
            Carried::Tcp => {
                let listener = listen::bind(at, &client).await?;
                listen::serve(listener, Arc::clone(&client)).left_future()
            }
            Carried::Udp => {
                let socket = udp::bind(at, &client).await?;
                flows::serve(socket, Arc::clone(&client)).right_future()
            }
        });
        clients.push(client);
    }
    let _nowhere_left = writeln!(io::stderr(), "tunnels kept open: {}", clients.len());
    let kept = clients.iter().map(|client| client.keep_signed_in());
    tokio::join!(join_all(ports), join_all(kept));
    Ok(())
}

/// What a line leads to, and what goes there.
#[derive(Debug, PartialEq, Eq)]
struct To<'a> {
    text: &'a str,
    carried: Carried,
}

/// Each port with what it leads to.
fn lines(text: &str) -> Result<Vec<(&str, To<'_>)>, (usize, &'static str)> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(at), Some(to), None) => {
                let Ok(address) = Address::parse(to, Carried::Tcp) else {
                    return Err((number, "its second word is nothing that a tunnel leads to"));
                };
                found.push((at, To { text: to, carried: address.carried }));
            }
            _ => return Err((number, "it is not two words, a port and what it leads to")),
        }
    }
    if found.is_empty() { Err((1, "no line names a tunnel")) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::{Carried, To, lines};

    #[test]
    fn a_file_of_tunnels_is_read_whole_or_refused_with_its_line() {
        let tcp = |text| To { text, carried: Carried::Tcp };
        let udp = |text| To { text, carried: Carried::Udp };
        for (text, expected) in [
            ("127.0.0.1:2222 ssh.test:22\n", Ok(vec![("127.0.0.1:2222", tcp("ssh.test:22"))])),
            (
                "# desk\n\n  [::1]:5432\ttcp+https://p.test/db:5432 # the database\r\n127.0.0.1:1 a:1",
                Ok(vec![
                    ("[::1]:5432", tcp("tcp+https://p.test/db:5432")),
                    ("127.0.0.1:1", tcp("a:1")),
                ]),
            ),
            (
                "127.0.0.1:53 udp+https://dns.test:53\n",
                Ok(vec![("127.0.0.1:53", udp("udp+https://dns.test:53"))]),
            ),
            ("127.0.0.1:1 a:1\n127.0.0.1:2222\n", Err(2)),
            ("127.0.0.1:1 a:1 b:1\n", Err(1)),
            ("\n127.0.0.1:1 https://a.test\n", Err(2)),
            ("# nothing\n", Err(1)),
        ] {
            assert_eq!(lines(text).map_err(|(line, _)| line), expected, "{text:?}");
        }
    }
}
