//! The `commerce` program: `serve`, `migrate`, `seed`, `settings`.

use std::process::ExitCode;

use commerce::app::{App, router};
use commerce::settings::Settings;
use commerce::variables::PROGRAM;
use commerce::{MIGRATIONS, jobs, seed};
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
                Command::Seed => {
                    let reset = settings.seed_reset;
                    seed::run(&settings.database.pool(), &settings.media.base_url, reset).await?;
                }
                Command::Serve => {
                    let address = settings.address;
                    let shutdown = Shutdown::on_signals()?;
                    let app = App::new(settings);
                    let pool = app.pool().clone();
                    metrics::watch(&pool);
                    shutdown.spawn(jobs::work(app.clone(), shutdown.clone()));
                    let app = router(app, environment.optional(PROGRAM.version))?;
                    server::run("commerce", address, app, shutdown).await?;
                    pool.close().await;
                }
            }
            Ok(())
        })
        .await
}
