//! The `gateway-bff` program: `serve`, `settings`.

use std::process::ExitCode;

use gateway_bff::app::{App, router};
use gateway_bff::settings::Settings;
use gateway_bff::variables::PROGRAM;
use shop_kit::server::{self, Shutdown};

#[tokio::main]
async fn main() -> ExitCode {
    PROGRAM
        .run(async |_, environment| {
            let settings = Settings::read(&environment)?;
            let address = settings.address;
            let shutdown = Shutdown::on_signals()?;
            let app = App::new(settings, shutdown.clone())?;
            let app = router(app, environment.optional(PROGRAM.version))?;
            server::run("gateway-bff", address, app, shutdown).await?;
            Ok(())
        })
        .await
}
