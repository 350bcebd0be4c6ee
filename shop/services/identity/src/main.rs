//! The `identity` program: `serve`, `migrate`, `seed`, `settings`.

use std::process::ExitCode;

use identity::app::{App, router};
use identity::settings::Settings;
use identity::variables::PROGRAM;
use identity::{MIGRATIONS, seed};
use shop_kit::metrics;
use shop_kit::program::Command;
use shop_kit::server::{self, Shutdown};

#[tokio::main]
async fn main() -> ExitCode {
    PROGRAM
        .run(async |command, environment| {
            let settings = Settings::read(&environment)?;
            match command {
                Command::Migrate => settings.database.migrate(&MIGRATIONS).await?,
                Command::Seed => seed::run(&settings.database.pool(), settings.seed_reset).await?,
                Command::Serve => {
                    settings.warn();
                    let address = settings.address;
                    let shutdown = Shutdown::on_signals()?;
                    let app = App::new(settings);
                    let pool = app.pool().clone();
                    metrics::watch(&pool);
                    let app = router(app, environment.optional(PROGRAM.version))?;
                    server::run("identity", address, app, shutdown).await?;
                    pool.close().await;
                }
            }
            Ok(())
        })
        .await
}
