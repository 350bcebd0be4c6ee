//! The benchmarks of `docs/benchmarks.md`, printed as tables. `cargo xtask bench [releases|plan|switch|memory]`.

use anyhow::{Context, bail};
use fairway_stories::{Load, Target, World, free_port, missing};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ENV: &str = "dev";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    if let Some(what) = missing() {
        bail!("needs {what}");
    }
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if let Some(only) = only.as_deref()
        && !["releases", "plan", "switch", "memory"].contains(&only)
    {
        bail!("there is no benchmark `{only}`; there are releases, plan, switch and memory");
    }
    if wanted("releases") {
        releases().await?;
    }
    if wanted("plan") {
        plan()?;
    }
    if wanted("switch") {
        switch().await?;
    }
    if wanted("memory") {
        memory().await?;
    }
    Ok(())
}

async fn start() -> anyhow::Result<World> {
    let world = World::new()?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "v0")])?;
    world.run(&["up", ENV, "--detach"]).await?.expect(0)?;
    Ok(world)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// 50 releases of the gateway under load; every request that failed is counted.
async fn releases() -> anyhow::Result<()> {
    let count = 50;
    let world = start().await?;
    let load = Load::start(&Target { kept: 24, fresh: 8, ..Target::usual(world.address()) });
    load.flow(1000).await?;
    let (mut switches, mut applies) = (Vec::new(), Vec::new());
    for number in 1..=count {
        world.configure(&[("gateway-bff", "SERVICE_VERSION", &format!("v{number}"))])?;
        let applied = world.run(&["apply", ENV, "--yes", "--json"]).await?.expect(0)?;
        applies.push(applied.took.as_secs_f64() * 1000.0);
        let micros = applied.json()?["evidence"]["switch_micros"]
            .as_f64()
            .context("an apply says how long its switch took")?;
        switches.push(micros / 1000.0);
    }
    load.flow(1000).await?;
    let tally = load.stop().await;
    println!("\n## {count} releases under load\n");
    println!(
        "| requests | failed | requests/s | versions seen | WebSocket echoes | events | streams reopened | switch median / max | apply median (1 s bake) |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {} | {} | {:.0} | {} | {} | {} | {} | {:.1} / {:.1} ms | {:.0} ms |",
        tally.answered + tally.failed,
        tally.failed,
        tally.rate(),
        tally.versions.len(),
        tally.echoes,
        tally.events,
        tally.reopened,
        median(switches.clone()),
        largest(&switches),
        median(applies),
    );
    for (reason, count) in &tally.reasons {
        println!("\n{count} × {reason}");
    }
    Ok(())
}

/// `fairway plan`, the whole command, for systems of different sizes.
fn plan() -> anyhow::Result<()> {
    println!("\n## Plan of a system that is not there yet\n");
    println!("| services | `fairway plan` median of 3 |");
    println!("|---|---|");
    for count in [5, 50, 500] {
        let directory = tempfile::Builder::new().prefix("fairway-bench-").tempdir_in("/tmp")?;
        let program = directory.path().join("program");
        fs::write(&program, "#!/bin/sh\nexec sleep 1000\n")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        let mut text = "system: bench\nservices:\n".to_owned();
        for number in 0..count {
            let needs =
                if number == 0 { String::new() } else { format!(", needs: {{ s{}: NEED_URL }}", number - 1) };
            text.push_str(&format!(
                "  s{number}: {{ build: {{ command: [\"true\"], output: program }}, run: [program], listen: ADDR, ready: /ready{needs}, env: {{ A: one, B: two }} }}\n"
            ));
        }
        text.push_str(&format!(
            "environments:\n  {ENV}: {{ target: local, listen: \"127.0.0.1:{}\" }}\n",
            free_port()
        ));
        fs::write(directory.path().join("fairway.yaml"), text)?;
        let fairway = std::env::current_exe()?.with_file_name("fairway");
        let run = |arguments: &[&str]| -> anyhow::Result<f64> {
            let begin = Instant::now();
            let output = Command::new(&fairway)
                .args(arguments)
                .current_dir(directory.path())
                .stdin(Stdio::null())
                .output()?;
            anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Ok(begin.elapsed().as_secs_f64() * 1000.0)
        };
        run(&["plan", ENV])?; // starts the agent, which is not what is measured
        let times = (0..3).map(|_| run(&["plan", ENV])).collect::<Result<Vec<_>, _>>()?;
        println!("| {count} | {:.0} ms |", median(times));
        run(&["down", ENV, "--purge"])?;
    }
    Ok(())
}

/// From `apply` of a saved plan to the first answer of the new instance, beside the start of the same program alone;
/// and from `revert` inside the bake window to the first answer of the old one.
async fn switch() -> anyhow::Result<()> {
    let rounds = 5;
    let world = start().await?;
    let (mut own, mut to_traffic, mut back) = (Vec::new(), Vec::new(), Vec::new());
    let endpoints = world.status().await?["endpoints"]["services"].clone();
    for round in 1..=rounds {
        own.push(own_start(&world, &endpoints).await?);
        let version = format!("v{round}");
        world.configure(&[("gateway-bff", "SERVICE_VERSION", &version)])?;
        world.run(&["plan", ENV, "-o", "saved.plan"]).await?.expect(0)?;
        let begin = Instant::now();
        let apply = world.spawn(&["apply", "saved.plan", "--yes"])?;
        to_traffic.push(until_version(&world, &version, begin).await?);
        apply.wait_with_output().await?;
    }
    world.edit("fairway.yaml", "bake: 1s", "bake: 60s")?;
    world.configure(&[("gateway-bff", "SERVICE_VERSION", "steady")])?;
    let apply = world.spawn(&["apply", ENV, "--yes"])?;
    until_version(&world, "steady", Instant::now()).await?;
    let begin = Instant::now();
    let revert = world.spawn(&["revert", ENV, "--yes"])?;
    back.push(until_version(&world, &format!("v{rounds}"), begin).await?);
    drop((apply, revert));
    println!("\n## From `apply` to traffic\n");
    println!("| what | median of {rounds} |");
    println!("|---|---|");
    println!("| start of the gateway alone, to its first 200 on /ready | {:.0} ms |", median(own.clone()));
    println!(
        "| `fairway apply saved.plan`, to the first answer of the new gateway | {:.0} ms |",
        median(to_traffic.clone())
    );
    println!("| difference | {:.0} ms |", median(to_traffic) - median(own));
    println!(
        "| `fairway revert` while the new release bakes, to the first answer of the old one (1 run) | {:.0} ms |",
        median(back)
    );
    Ok(())
}

async fn own_start(world: &World, endpoints: &serde_json::Value) -> anyhow::Result<f64> {
    let port = free_port();
    let url = |service: &str| {
        endpoints[service].as_str().map(|address| format!("http://{address}")).unwrap_or_default()
    };
    let begin = Instant::now();
    let mut child = tokio::process::Command::new(world.root().join("bin/gateway-bff"))
        .arg("serve")
        .env_clear()
        .env("GATEWAY_HTTP_ADDR", format!("127.0.0.1:{port}"))
        .env("GATEWAY_IDENTITY_BASE_URL", url("identity"))
        .env("GATEWAY_COMMERCE_BASE_URL", url("commerce"))
        .env("GATEWAY_PAYMENT_BASE_URL", url("payment"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    loop {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        if matches!(fairway_stories::get(address, "/ready").await, Ok((200, _, _))) {
            break;
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(20), "the gateway alone does not get ready");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed().as_secs_f64() * 1000.0;
    child.start_kill()?;
    child.wait().await?;
    Ok(took)
}

async fn until_version(world: &World, version: &str, begin: Instant) -> anyhow::Result<f64> {
    loop {
        if let Ok((200, Some(found), _)) = fairway_stories::get(world.address(), "/health").await
            && found == version
        {
            return Ok(begin.elapsed().as_secs_f64() * 1000.0);
        }
        anyhow::ensure!(begin.elapsed() < Duration::from_secs(60), "{version} does not answer");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Resident memory of agent and edge when nothing happens.
async fn memory() -> anyhow::Result<()> {
    let world = start().await?;
    let host = world.status().await?["host"].clone();
    println!("\n## Memory at rest\n");
    println!("| process | resident |");
    println!("|---|---|");
    let mut total = 0;
    for (name, key) in [("agent", "pid"), ("edge", "edge_pid")] {
        let pid = host[key].as_u64().context("the process has a pid")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kilobytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().split(' ').next()?.parse().ok())
            .context("/proc tells the resident size")?;
        total += kilobytes;
        println!("| {name} | {:.1} MB |", kilobytes as f64 / 1024.0);
    }
    println!("| together | {:.1} MB |", total as f64 / 1024.0);
    Ok(())
}
