//! What the gateway is compared with: nginx in its place.

use crate::shop::Shop;
use fairway_stories::{
    free_port,
    measure::process::{Program, Running},
};
use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// nginx in front of commerce, with kept connections and an access log, one worker for each core.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    _running: Running,
}

impl Nginx {
    /// Starts it.
    pub(crate) async fn start(program: &Path, shop: &Shop, directory: &Path) -> anyhow::Result<Self> {
        let home: PathBuf = directory.join("nginx");
        fs::create_dir_all(&home)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let file = home.join("nginx.conf");
        fs::write(&file, configuration(address, shop.service("commerce")?.address, &home))?;
        let arguments = vec![OsStr::new("-c"), file.as_os_str(), OsStr::new("-e"), OsStr::new("stderr")];
        let started =
            Program { name: "nginx", path: program, arguments, environment: Vec::new(), directory: &home };
        let mut running = Running::start(&started, None)?;
        running.accepts(address).await?;
        Ok(Self { address, _running: running })
    }
}

fn configuration(listen: SocketAddr, upstream: SocketAddr, home: &Path) -> String {
    let home = home.display();
    format!(
        "daemon off;
pid {home}/pid;
worker_processes auto;
events {{ worker_connections 1024; }}
http {{
  access_log {home}/access.log;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  keepalive_requests 1000000;
  upstream commerce {{ server {upstream}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen {listen};
    location / {{
      proxy_pass http://commerce;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_set_header X-Request-ID $request_id;
    }}
  }}
}}
"
    )
}
