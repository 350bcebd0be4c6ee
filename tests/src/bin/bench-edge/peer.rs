//! The proxies: how each is configured and started. All keep connections to the upstream, add the forwarding headers
//! that they add by default or that are usual for them, and write no log unless the row is about logs.

use crate::certificate::Certificate;
use crate::fairway::{Edge, Which};
use crate::handshakes;
use crate::upstream::{LARGE, SMALL};
use anyhow::{Context, ensure};
use fairway_edge::client::Client;
use fairway_stories::free_port;
use fairway_stories::measure::process::{Place, Program, Running};
use fairway_stories::measure::tools::program;
use std::{ffi::OsStr, fs, net::SocketAddr, path::Path, time::Duration};

/// A proxy, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// What the others are compared with.
    Nginx,
    /// Copies bytes.
    Splice,
    /// Ours.
    Fairway,
    /// haproxy.
    Haproxy,
    /// caddy.
    Caddy,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Nginx, Self::Splice, Self::Fairway, Self::Haproxy, Self::Caddy];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Splice => "splice",
            Self::Fairway => "fairway",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    /// The program that is not here, if it needs one.
    pub(crate) fn missing(self) -> Option<&'static str> {
        match self {
            Self::Splice | Self::Fairway => None,
            Self::Nginx | Self::Haproxy | Self::Caddy => {
                program(self.name()).is_none().then_some(self.name())
            }
        }
    }

    /// What it says about its version.
    pub(crate) fn version(self) -> Option<String> {
        let argument = match self {
            Self::Splice | Self::Fairway => return None,
            Self::Nginx | Self::Haproxy => "-v",
            Self::Caddy => "version",
        };
        let output = std::process::Command::new(program(self.name())?).arg(argument).output().ok()?;
        // nginx says it on stderr.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let word = |word: &str| {
            let digits = word.rsplit('/').next()?.trim_start_matches('v');
            let version = digits.split(['-', '+']).next()?;
            version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
        };
        text.split_whitespace().find_map(word)
    }
}

/// What all are started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// Their core and ours.
    pub(crate) place: Place,
    /// Where answers come from.
    pub(crate) upstream: SocketAddr,
    /// For the listeners with TLS; none without `openssl`.
    pub(crate) certificate: Option<&'a Certificate>,
    /// Our program.
    pub(crate) edge: &'a Which,
    /// This program, of which the splice is a part.
    pub(crate) parts: &'a Path,
    /// Where to write files.
    pub(crate) directory: &'a Path,
}

/// A proxy that runs.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Which.
    pub(crate) kind: Kind,
    /// The process.
    pub(crate) running: Running,
    /// Its core.
    pub(crate) core: usize,
    /// Plain HTTP.
    pub(crate) plain: SocketAddr,
    /// HTTPS, where it is spoken.
    pub(crate) secure: Option<SocketAddr>,
    /// Whether HTTP/2 is spoken there.
    pub(crate) h2: bool,
    /// Plain HTTP with an access log, where there is one.
    pub(crate) logged: Option<SocketAddr>,
    /// The control API of ours.
    pub(crate) control: Option<Client>,
}

/// Where a proxy shall listen.
#[derive(Clone, Copy, Debug)]
struct Ports {
    plain: SocketAddr,
    secure: SocketAddr,
    logged: SocketAddr,
}

/// A loopback address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

impl Peer {
    /// Starts one and makes sure that it answers as it should.
    pub(crate) async fn start(kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Self> {
        let directory = setting.directory.join(kind.name());
        fs::create_dir_all(&directory)?;
        let setting = &Setting { directory: &directory, ..*setting };
        let ports = Ports { plain: free_address(), secure: free_address(), logged: free_address() };
        let mut peer = match kind {
            Kind::Nginx => nginx(setting, ports),
            Kind::Splice => splice(setting, ports),
            Kind::Fairway => fairway(setting, ports).await,
            Kind::Haproxy => haproxy(setting, ports),
            Kind::Caddy => caddy(setting, ports),
        }
        .with_context(|| format!("{} could not be set up", kind.name()))?;
        peer.running.accepts(peer.plain).await?;
        for (path, length) in [("/", SMALL), ("/16k", LARGE)] {
            for address in [Some(peer.plain), peer.logged].into_iter().flatten() {
                let (status, _, body) = fairway_stories::get(address, path).await?;
                ensure!(
                    status == 200 && body.len() == length,
                    "{} answers {path} with {status} and {} bytes",
                    kind.name(),
                    body.len()
                );
            }
        }
        if let Some(secure) = peer.secure {
            peer.probe_tls(secure).await?;
        }
        Ok(peer)
    }

    /// Finds out whether TLS is spoken, and HTTP/2 in it.
    async fn probe_tls(&mut self, secure: SocketAddr) -> anyhow::Result<()> {
        let connector = handshakes::connector(&["h2", "http/1.1"])?;
        let connected = handshakes::connect(&connector, secure);
        match tokio::time::timeout(Duration::from_secs(3), connected).await {
            Ok(Ok(stream)) => self.h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2"),
            failed => {
                ensure!(self.kind == Kind::Fairway, "{} does not speak TLS: {failed:?}", self.kind.name());
                self.secure = None;
            }
        }
        Ok(())
    }
}

fn nginx(setting: &Setting<'_>, ports: Ports) -> anyhow::Result<Peer> {
    let directory = setting.directory.display();
    let Ports { plain, secure, logged } = ports;
    let upstream = setting.upstream;
    // Workers of the superuser's nginx would become somebody who cannot read this directory.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let location = "location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }";
    let tls = setting.certificate.map_or_else(String::new, |certificate| {
        format!(
            "server {{
    listen {secure} ssl http2 backlog=4096;
    ssl_certificate {};
    ssl_certificate_key {};
    ssl_protocols TLSv1.2 TLSv1.3;
    {location}
  }}",
            certificate.chain.display(),
            certificate.key.display()
        )
    });
    let text = format!(
        "{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream bench {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{ listen {plain} backlog=4096; {location} }}
  server {{ listen {logged} backlog=4096; access_log {directory}/access.log; {location} }}
  {tls}
}}
"
    );
    let file = setting.directory.join("nginx.conf");
    fs::write(&file, text)?;
    let arguments = vec![OsStr::new("-e"), OsStr::new("stderr"), OsStr::new("-c"), file.as_os_str()];
    let running = start(Kind::Nginx, setting, arguments, Vec::new())?;
    Ok(Peer {
        kind: Kind::Nginx,
        running,
        core: setting.place.core,
        plain,
        secure: setting.certificate.map(|_| secure),
        h2: false,
        logged: Some(logged),
        control: None,
    })
}

fn haproxy(setting: &Setting<'_>, ports: Ports) -> anyhow::Result<Peer> {
    let Ports { plain, secure, .. } = ports;
    let upstream = setting.upstream;
    let tls = setting.certificate.map_or_else(String::new, |certificate| {
        format!("  bind {secure} ssl crt {} alpn h2,http/1.1 backlog 4096\n", certificate.both.display())
    });
    let text = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout http-keep-alive 75s
  option forwardfor
frontend in
  bind {plain} backlog 4096
{tls}  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
  default_backend bench
backend bench
  http-reuse always
  server one {upstream}
"
    );
    let file = setting.directory.join("haproxy.cfg");
    fs::write(&file, text)?;
    let running = start(
        Kind::Haproxy,
        setting,
        vec![OsStr::new("-db"), OsStr::new("-f"), file.as_os_str()],
        Vec::new(),
    )?;
    Ok(Peer {
        kind: Kind::Haproxy,
        running,
        core: setting.place.core,
        plain,
        secure: setting.certificate.map(|_| secure),
        h2: false,
        logged: None,
        control: None,
    })
}

fn caddy(setting: &Setting<'_>, ports: Ports) -> anyhow::Result<Peer> {
    let Ports { plain, secure, .. } = ports;
    let upstream = setting.upstream;
    let forward = format!(
        "bind 127.0.0.1
  reverse_proxy {upstream} {{
    transport http {{
      keepalive 75s
      keepalive_idle_conns 1024
      keepalive_idle_conns_per_host 1024
    }}
  }}"
    );
    let tls = setting.certificate.map_or_else(String::new, |certificate| {
        format!(
            "https://localhost:{} {{
  tls {} {}
  {forward}
}}",
            secure.port(),
            certificate.chain.display(),
            certificate.key.display()
        )
    });
    let text = format!(
        "{{
  admin off
  auto_https off
}}
http://:{} {{
  {forward}
}}
{tls}
",
        plain.port()
    );
    let file = setting.directory.join("Caddyfile");
    fs::write(&file, text)?;
    let arguments = ["run", "--adapter", "caddyfile", "--config"].map(OsStr::new).into_iter();
    let home = setting.directory.as_os_str();
    let running = start(
        Kind::Caddy,
        setting,
        arguments.chain([file.as_os_str()]).collect(),
        vec![
            ("GOMAXPROCS", OsStr::new("1")),
            ("HOME", home),
            ("XDG_DATA_HOME", home),
            ("XDG_CONFIG_HOME", home),
        ],
    )?;
    Ok(Peer {
        kind: Kind::Caddy,
        running,
        core: setting.place.core,
        plain,
        secure: setting.certificate.map(|_| secure),
        h2: false,
        logged: None,
        control: None,
    })
}

fn splice(setting: &Setting<'_>, ports: Ports) -> anyhow::Result<Peer> {
    let (listen, upstream) = (ports.plain.to_string(), setting.upstream.to_string());
    let arguments = ["splice", "--listen", &listen, "--upstream", &upstream].map(OsStr::new).to_vec();
    let running = start(Kind::Splice, setting, arguments, Vec::new())?;
    Ok(Peer {
        kind: Kind::Splice,
        running,
        core: setting.place.core,
        plain: ports.plain,
        secure: None,
        h2: false,
        logged: None,
        control: None,
    })
}

async fn fairway(setting: &Setting<'_>, ports: Ports) -> anyhow::Result<Peer> {
    let edge = Edge::start(setting.edge, setting.directory, Some(setting.place)).await?;
    edge.serve(ports.plain, setting.upstream).await?;
    let logged = edge.serve_logged(ports.logged, setting.upstream).await?.then_some(ports.logged);
    let secure = match setting.certificate {
        Some(certificate) => {
            edge.serve_secure(ports.secure, setting.upstream, certificate).await?.then_some(ports.secure)
        }
        None => None,
    };
    Ok(Peer {
        kind: Kind::Fairway,
        running: edge.running,
        core: setting.place.core,
        plain: ports.plain,
        secure,
        h2: false,
        logged,
        control: Some(edge.client),
    })
}

fn start(
    kind: Kind,
    setting: &Setting<'_>,
    arguments: Vec<&OsStr>,
    environment: Vec<(&str, &OsStr)>,
) -> anyhow::Result<Running> {
    let path = match kind {
        Kind::Splice => setting.parts.to_owned(),
        _ => program(kind.name()).with_context(|| format!("needs {}", kind.name()))?,
    };
    let directory = setting.directory;
    let program = Program { name: kind.name(), path: &path, arguments, environment, directory };
    Running::start(&program, Some(setting.place))
}
