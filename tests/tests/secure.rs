//! TLS on both sides of the edge: a service that speaks nothing else, and certificates from an ACME server.

#[path = "common/mod.rs"]
mod common;

use common::{ENV, eventually};
use fairway_stories::{World, free_port};
use fairway_test_authority::Authority;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

/// A system of one service that speaks TLS, as `web.internal`; its environment has this, too.
fn system(more: &str) -> anyhow::Result<(World, Authority)> {
    let (world, authority) = (World::empty()?, Authority::new());
    world.take_program("secure-service")?;
    let (server, roots) = (world.root().join("server.pem"), world.root().join("roots.pem"));
    fs::write(&server, authority.issue("web.internal"))?;
    fs::write(&roots, authority.root())?;
    let manifest = format!(
        r#"
system: secure
services:
  web:
    build: {{ command: ["true"], output: bin/secure-service }}
    run: [secure-service]
    listen: ADDRESS
    ready: /ready
    env: {{ SERVER_PEM: {} }}
    traffic: {{ protocol: https, tls: {{ server_name: web.internal, roots: {} }} }}
    expose: {{ path: / }}
environments:
  {ENV}: {{ target: local, listen: "{}", bake: 1s, drain: 1s, {} }}
"#,
        server.display(),
        roots.display(),
        world.address(),
        more.replace("ROOTS", &roots.display().to_string()),
    );
    fs::write(world.root().join("fairway.yaml"), manifest)?;
    Ok((world, authority))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_speaks_tls_is_probed_released_and_answers() -> anyhow::Result<()> {
    let (world, _) = system("")?;
    world.run(&["up", ENV, "--detach"]).await?.expect(0)?;
    assert_eq!(world.get("/some/page").await?, (200, "in TLS: /some/page".to_owned()));
    world.run(&["plan", ENV, "--detailed-exitcode"]).await?.expect(0)?;
    Ok(())
}

/// An ACME server that is known by this authority's root, and looks for answers on the public port of a world.
fn pebble(world: &World, authority: &Authority, at: SocketAddr) -> anyhow::Result<Option<Child>> {
    let (server, config) = (world.root().join("pebble.pem"), world.root().join("pebble.json"));
    fs::write(&server, authority.issue(&at.ip().to_string()))?;
    let settings = serde_json::json!({ "pebble": {
        "listenAddress": at.to_string(),
        "managementListenAddress": "",
        "certificate": server,
        "privateKey": server,
        "httpPort": world.address().port(),
        "certificateValidityPeriod": 90 * 24 * 60 * 60,
    }});
    fs::write(&config, settings.to_string())?;
    let log = fs::File::create(world.root().join("pebble.log"))?;
    let mut command = Command::new("pebble");
    command.arg("-config").arg(&config).env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
    match command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true).spawn() {
        Ok(child) => Ok(Some(child)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: needs pebble (Debian: apt-get install pebble)");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_acme_server_is_kept_in_the_store() -> anyhow::Result<()> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (acme, tls) = (loopback(free_port()), loopback(free_port()));
    let (world, authority) = system(&format!(
        "tls: {{ listen: \"{tls}\", certificates: [{{ names: [localhost], \
         acme: {{ directory: \"https://{acme}/dir\", roots: ROOTS, storage: store }} }}] }}"
    ))?;
    let Some(_pebble) = pebble(&world, &authority, acme)? else { return Ok(()) };
    let listens = async || Ok(TcpStream::connect(acme).await.ok());
    eventually("the ACME server listens", listens).await?;
    world.run(&["up", ENV, "--detach"]).await?.expect(0)?;
    let issued = eventually("a certificate is issued", async || {
        let routes = world.run(&["routes", ENV, "--json"]).await?.expect(0)?.json()?;
        let certificate = routes["traffic"]["certificates"][0].clone();
        Ok((certificate["stand_in"] != true && certificate["problem"].is_null()).then_some(certificate))
    })
    .await?;
    assert!(issued["issuer"].as_str().is_some_and(|it| it.contains("Pebble")), "{issued}");
    assert_eq!(issued["store_reached"], true, "{issued}");
    let kept = fs::read_dir(world.root().join(".fairway/store/shared"))?.count();
    assert!(kept > 0, "nothing is in the store");
    Ok(())
}
