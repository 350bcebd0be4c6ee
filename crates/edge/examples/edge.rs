//! An edge by itself: `cargo run -p fairway-edge --example edge -- HOME [WORKERS] [--take-over] [--grace MS]`.
//! Tables come over `HOME/edge.sock`, for example with `curl --unix-socket`. With `--take-over` it takes the listeners
//! of an edge that runs in the same home over; `--grace` is how long what is under way may take when it is told to end.

use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage: edge HOME [WORKERS] [--take-over] [--grace MS]";

fn main() -> ExitCode {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}; {USAGE}");
            return ExitCode::from(3);
        }
    };
    fairway_edge::log_to_stderr();
    match fairway_edge::run_blocking(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn settings(mut arguments: impl Iterator<Item = String>) -> Result<fairway_edge::Settings, String> {
    let home = arguments.next().ok_or("which home directory?")?;
    let mut settings = fairway_edge::Settings::new(home);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--take-over" => settings.take_over = true,
            "--grace" => {
                let ms =
                    arguments.next().and_then(|ms| ms.parse().ok()).ok_or("--grace needs milliseconds")?;
                settings.shutdown_grace = Duration::from_millis(ms);
            }
            workers => {
                let wrong = |_| format!("`{workers}` is not a number of workers");
                settings.workers = workers.parse().map_err(wrong)?;
            }
        }
    }
    Ok(settings)
}
