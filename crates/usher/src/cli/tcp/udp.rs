//! `usher udp`: datagrams through a proxy, from a port of this machine.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use tokio::net::UdpSocket;
use usher_rules::plan::Carried;

use super::{Failure, client::Client, flows, options::Options, said};

/// Open tunnels to a `udp+https` route, from a port of this machine.
///
/// Each program that sends to the port has a tunnel of its own, until two minutes pass in silence.
/// Sign-in opens your browser, or prints the address; it counts for the next time, too.
/// What is lost on this side is counted on standard error.
/// Exit status: 2 bad usage, or no port can be had.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `HOST:PORT` of the route, or `udp+https://PROXY/HOST:PORT`
    #[arg(value_name = "HOST:PORT")]
    to: String,
    /// Where to listen
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: String,
    #[command(flatten)]
    options: Options,
}

/// Carries datagrams until it is stopped.
pub fn run(args: &Args) -> ExitCode {
    said(async {
        let client = Client::of(&args.to, Carried::Udp, &args.options)?;
        let socket = bind(&args.listen, &client).await?;
        let client = Arc::new(client);
        tokio::join!(flows::serve(socket, Arc::clone(&client)), client.keep_signed_in());
        Ok(())
    })
}

/// Takes the port, and says so.
pub(super) async fn bind(at: &str, client: &Client) -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::bind(at).await.map_err(Failure::Listen)?;
    let at = socket.local_addr().map_err(Failure::Listen)?;
    let _nowhere_left = writeln!(io::stderr(), "{at} leads to {}", client.proxy.address);
    Ok(socket)
}
