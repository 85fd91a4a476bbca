//! The peers: nginx as a plain proxy, with `auth_request`, and with large buffers.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::Command,
};

use super::{Contender, Setting};
use crate::{
    compare::{FILM, LOAD_CORE, PROXY_CORE, load::UPLOAD},
    failure::Failure,
    front_door::{await_port, free_address},
    process::Process,
};

/// Where the app and the service tell how often they were asked.
pub const STATUS: &str = "/counted";

/// Whom the proxy stands for.
pub const SERVED: [Contender; 3] =
    [Contender::Nginx, Contender::NginxTuned, Contender::NginxAuthRequest];

/// The app behind everybody: a small answer, a film, what it was told of the person, and at `sink`
/// what takes uploads: nginx itself answers before it has read them, or writes them to a file.
pub fn upstream(of: &Setting<'_>, sink: SocketAddr) -> Result<Process, Failure> {
    let (folder, upstream) = (of.folder, of.upstream);
    let film = File::create(folder.join("film")).map_err(Failure::io("film"))?;
    film.set_len(FILM).map_err(Failure::io("film"))?;
    let (root, json) = (folder.display(), format!("{{\"pad\":\"{}\"}}", "x".repeat(1000)));
    let app = format!(
        "default_type application/json;\n\
         server {{ listen {upstream} backlog=4096; root {root};\n\
         location = /small {{ return 200 '{json}'; }}\n\
         location = {STATUS} {{ stub_status; }}\n\
         location {UPLOAD} {{ client_max_body_size 0; client_body_buffer_size 256k;\n\
         proxy_http_version 1.1; proxy_request_buffering off; proxy_pass http://{sink}; }}\n\
         location = /assertion {{ return 200 $http_x_pomerium_jwt_assertion; }} }}"
    );
    serve(folder, "upstream", LOAD_CORE, &app, upstream)
}

/// Answers 200 with the name of a person: Envoy takes no other 2xx for a yes.
pub fn authorization(of: &Setting<'_>) -> Result<Process, Failure> {
    let service = format!(
        "server {{ listen {}; location = {STATUS} {{ stub_status; }}\n\
         location / {{ add_header X-User ann@example.com; return 200 ''; }} }}",
        of.authorization
    );
    serve(of.folder, "authorization", LOAD_CORE, &service, of.authorization)
}

/// One proxy that listens at three addresses.
pub fn start(of: &Setting<'_>) -> Result<(Process, Vec<(Contender, SocketAddr)>), Failure> {
    let (plain, tuned, asking) = (free_address()?, free_address()?, free_address()?);
    let servers = proxies(of, [plain, tuned, asking]);
    let process = serve(of.folder, "proxy", PROXY_CORE, &servers, tuned)?;
    Ok((process, SERVED.into_iter().zip([plain, tuned, asking]).collect()))
}

fn proxies(of: &Setting<'_>, [plain, tuned, asking]: [SocketAddr; 3]) -> String {
    let Setting { upstream, authorization, .. } = of;
    let (chain, key) = (of.certificate.chain.display(), of.certificate.key.display());
    let socket = "location = /socket { proxy_set_header Connection upgrade; proxy_set_header Host \
                  $http_host; proxy_set_header Upgrade $http_upgrade; proxy_pass http://app; }";
    format!(
        "ssl_certificate {chain};\n\
         ssl_certificate_key {key};\n\
         ssl_protocols TLSv1.2 TLSv1.3;\n\
         upstream app {{ server {upstream}; keepalive 512; keepalive_requests 10000000; }}\n\
         upstream service {{ server {authorization}; keepalive 512; keepalive_requests 10000000; }}\n\
         proxy_http_version 1.1;\n\
         proxy_max_temp_file_size 0;\n\
         proxy_set_header Connection '';\n\
         proxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n\
         proxy_set_header X-Forwarded-Proto $scheme;\n\
         server {{ listen {plain} ssl http2; location / {{ proxy_pass http://app; }} }}\n\
         server {{ listen {tuned} ssl http2;\n\
         proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 128k;\n\
         client_max_body_size 0; client_body_buffer_size 64k; proxy_request_buffering off;\n\
         {socket} location / {{ proxy_pass http://app; }} }}\n\
         server {{ listen {asking} ssl http2;\n\
         location / {{ auth_request /authorize; auth_request_set $user $upstream_http_x_user;\n\
         proxy_set_header Connection ''; proxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-User $user;\n\
         proxy_pass http://app; }}\n\
         location = /authorize {{ internal; proxy_pass_request_body off;\n\
         proxy_set_header Connection ''; proxy_set_header Content-Length '';\n\
         proxy_pass http://service; }} }}\n"
    )
}

/// One nginx of one worker, with everything it writes below `folder`.
fn serve(
    folder: &Path,
    name: &str,
    core: u32,
    servers: &str,
    address: SocketAddr,
) -> Result<Process, Failure> {
    let own = folder.join(name);
    fs::create_dir_all(&own).map_err(Failure::io(name))?;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", own.display()))
        .concat();
    let user = if nobody_is_needed() { "user root;\n" } else { "" };
    let config = format!(
        "{user}daemon off; worker_processes 1; pid {}/pid; error_log {}/error.log warn;\n\
         events {{ worker_connections 8192; }}\n\
         http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 10000000;\n\
         server_tokens off;\n{temporary}{servers} }}\n",
        own.display(),
        own.display()
    );
    let file = own.join("nginx.conf");
    fs::write(&file, config).map_err(Failure::io(name))?;
    let log = own.join(format!("{name}.log"));
    let errors = File::create(&log).map_err(Failure::io(name))?;
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string(), "nginx", "-p"]).arg(&own).arg("-c").arg(&file);
    command.arg("-e").arg(own.join("error.log")).stderr(errors);
    let mut process = Process::start(&mut command)?;
    await_port(address, &mut process, &log)?;
    Ok(process)
}

/// As root, nginx would change its workers to a user who can't read our folder.
fn nobody_is_needed() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
