//! TLS behind the edge: a service that speaks nothing else.

use fairway_stories::World;
use fairway_test_authority::Authority;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_speaks_tls_is_probed_released_and_answers() -> anyhow::Result<()> {
    let world = World::empty()?;
    world.take_program("secure-service")?;
    let authority = Authority::new();
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
  dev: {{ target: local, listen: "{}", bake: 1s, drain: 1s }}
"#,
        server.display(),
        roots.display(),
        world.address(),
    );
    fs::write(world.root().join("fairway.yaml"), manifest)?;
    world.run(&["up", "dev", "--detach"]).await?.expect(0)?;
    assert_eq!(world.get("/some/page").await?, (200, "in TLS: /some/page".to_owned()));
    world.run(&["plan", "dev", "--detailed-exitcode"]).await?.expect(0)?;
    Ok(())
}
