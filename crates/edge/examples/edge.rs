//! An edge by itself: `cargo run -p fairway-edge --example edge -- HOME`.
//! Tables come over `HOME/edge.sock`, for example with `curl --unix-socket`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(home) = std::env::args_os().nth(1) else {
        eprintln!("which home directory? usage: edge HOME");
        return ExitCode::from(3);
    };
    fairway_edge::log_to_stderr();
    match fairway_edge::run_blocking(fairway_edge::Settings::new(home)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
