//! An edge by itself: `cargo run -p fairway-edge --example edge -- HOME [WORKERS]`.
//! Tables come over `HOME/edge.sock`, for example with `curl --unix-socket`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(home) = arguments.next() else {
        eprintln!("which home directory? usage: edge HOME [WORKERS]");
        return ExitCode::from(3);
    };
    let mut settings = fairway_edge::Settings::new(home);
    if let Some(workers) = arguments.next() {
        let Ok(workers) = workers.parse() else {
            eprintln!("`{workers}` is not a number of workers; usage: edge HOME [WORKERS]");
            return ExitCode::from(3);
        };
        settings.workers = workers;
    }
    fairway_edge::log_to_stderr();
    match fairway_edge::run_blocking(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
