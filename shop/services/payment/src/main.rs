//! The `payment` program: `serve`, `migrate`, `seed`, `settings`.

use std::process::ExitCode;

use payment::app::{App, router};
use payment::settings::Settings;
use payment::variables::PROGRAM;
use payment::{MIGRATIONS, recheck, seed};
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
                    shutdown.spawn(recheck::run(app.clone(), shutdown.clone()));
                    shutdown.spawn(app.sync().clone().run(shutdown.clone()));
                    let pool = app.pool().clone();
                    metrics::watch(&pool);
                    let app = router(app, environment.optional(PROGRAM.version))?;
                    server::run("payment", address, app, shutdown).await?;
                    pool.close().await;
                }
            }
            Ok(())
        })
        .await
}
