//! `fairway top`.

use super::{
    interrupt::stop_signal,
    place::{self, Place},
};
use crate::{
    args,
    render::{columns, screen::Screen, top},
    settings::{Context, print},
};
use fairway_delivery::{Error, exit};
use fairway_host::{Host, HostError};
use fairway_model::{EnvironmentName, Millis};
use fairway_protocol::{
    edge::EnvironmentStats,
    rates::{Rates, rates},
    traffic::Traffic,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::time::{MissedTickBehavior, interval};

const SHORTEST: Millis = Millis(100);

/// How long an agent that does not answer is waited for before that is said.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(arguments: &args::Top, context: &Context) -> Result<u8, Error> {
    let pause: Millis = arguments
        .interval
        .parse()
        .map_err(|error| Error::Usage(format!("--interval: {error}; nothing was asked")))?;
    if pause < SHORTEST {
        return Err(Error::Usage(format!(
            "--interval: {pause} is too short, the least is {SHORTEST}; nothing was asked"
        )));
    }
    let Place { environment, host } = place::find(&arguments.environment.environment, context).await?;
    let Some(host) = host.map(|host| host.with_patience(PATIENCE)) else {
        nothing(&environment, context);
        return Ok(exit::DONE);
    };
    let view = View { host, environment, pause: pause.into(), once: arguments.once, context };
    tokio::select! {
        biased;
        () = stop_signal() => {}
        result = view.follow() => result?,
    }
    Ok(exit::DONE)
}

fn nothing(environment: &EnvironmentName, context: &Context) {
    if context.json {
        print([json!({ "format": 1, "environment": environment, "rates": null }).to_string()]);
    } else {
        print([format!("the edge of this machine serves nothing of {environment}")]);
    }
}

struct View<'a> {
    host: Host,
    environment: EnvironmentName,
    pause: Duration,
    once: bool,
    context: &'a Context,
}

/// What was there at a moment.
struct Look {
    at: Instant,
    traffic: Traffic,
}

impl View<'_> {
    /// Shows one interval after the other, until there is nothing to show.
    async fn follow(&self) -> Result<(), Error> {
        let Some(mut last) = self.look().await? else {
            nothing(&self.environment, self.context);
            return Ok(());
        };
        let terminal = console::Term::stdout();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let live = terminal.is_term() && !dumb && !self.once && !self.context.json;
        let screen = if live { Screen::open().ok() } else { None };
        if let Some(screen) = &screen {
            let waiting = Some("the first interval is measured");
            self.draw(screen, &last.traffic, &rates(&last.traffic.stats, &last.traffic.stats, 0.0), waiting);
        }
        let mut shown = rates(&last.traffic.stats, &last.traffic.stats, 0.0);
        let mut ticks = interval(self.pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match (self.look().await, &screen) {
                (Ok(Some(look)), _) => {
                    shown = between(&last, &look);
                    last = look;
                    match &screen {
                        Some(screen) => self.draw(screen, &last.traffic, &shown, None),
                        None => self.print(&last.traffic, &shown),
                    }
                    if self.once {
                        return Ok(());
                    }
                }
                (Ok(None), _) => {
                    drop(screen);
                    nothing(&self.environment, self.context);
                    return Ok(());
                }
                (Err(error), _) if self.once => return Err(error.into()),
                (Err(error), Some(screen)) => {
                    let old = last.at.elapsed().as_secs();
                    let note = format!("these numbers are {old} s old: {error}");
                    self.draw(screen, &last.traffic, &shown, Some(&note));
                }
                (Err(error), None) => eprintln!("no numbers for now: {error}"),
            }
        }
    }

    async fn look(&self) -> Result<Option<Look>, HostError> {
        let traffic = self.host.traffic(&self.environment).await?;
        Ok(traffic.map(|traffic| Look { at: Instant::now(), traffic }))
    }

    fn draw(&self, screen: &Screen, traffic: &Traffic, rates: &Rates, note: Option<&str>) {
        let (height, width) = console::Term::stdout().size();
        let size = (Some(usize::from(width)), usize::from(height));
        let lines = top::lines(traffic, rates, note, self.context.paint, size);
        // A terminal that is gone sends its own signal.
        let _ = screen.draw(&lines);
    }

    fn print(&self, traffic: &Traffic, rates: &Rates) {
        if self.context.json {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let line = json!({
                "format": 1, "environment": self.environment, "at": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
                "generation": traffic.generation, "revision": traffic.revision, "connections": traffic.connections,
                "rates": rates,
            });
            print([line.to_string()]);
            return;
        }
        let mut lines = top::lines(traffic, rates, None, self.context.paint, (columns::width(), usize::MAX));
        if !self.once {
            lines.push(String::new());
        }
        print(lines);
    }
}

/// What went through between two looks.
fn between(before: &Look, after: &Look) -> Rates {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    if before.traffic.edge.pid == after.traffic.edge.pid {
        return rates(&before.traffic.stats, &after.traffic.stats, seconds);
    }
    // Another edge counts from nothing.
    let nothing = EnvironmentStats {
        generation: 0,
        revision: 0,
        services: BTreeMap::new(),
        unrouted: 0,
        own: Vec::new(),
    };
    rates(&nothing, &after.traffic.stats, seconds)
}
