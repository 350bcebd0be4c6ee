//! The `gateway-bff` program: `serve`.

use std::process::ExitCode;

use gateway_bff::app::{App, router};
use gateway_bff::settings::Settings;
use shop_kit::program::{self, Command};
use shop_kit::server::{self, Shutdown};

#[tokio::main]
async fn main() -> ExitCode {
    program::run("gateway-bff", "GATEWAY", &[Command::Serve], async |_, environment| {
        let settings = Settings::read(&environment)?;
        let address = settings.address;
        let shutdown = Shutdown::on_signals()?;
        let app = App::new(settings, shutdown.clone())?;
        let app = router(app, environment.optional("SERVICE_VERSION"))?;
        server::run("gateway-bff", address, app, shutdown).await?;
        Ok(())
    })
    .await
}
