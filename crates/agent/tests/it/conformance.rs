//! The conformance suite of targets on a real host: agent, edge, processes and PostgreSQL.

use crate::support::{self, World};
use async_trait::async_trait;
use fairway_model::{EnvironmentName, PostgresSpec, Program, Resources, ServiceName, ServiceSpec};
use fairway_target::{
    Target,
    conformance::{Behaviour, Fixture, Made, Wanted},
};

struct HostFixture {
    world: World,
    databases: bool,
}

async fn fixture() -> Result<HostFixture, String> {
    let databases = fairway_postgres::locate(None, None).is_ok();
    Ok(HostFixture { world: World::new("lease=1500").await, databases })
}

#[async_trait]
impl Fixture for HostFixture {
    fn target(&self) -> &dyn Target {
        &self.world.host
    }

    fn environment(&self) -> EnvironmentName {
        support::environment()
    }

    fn has_databases(&self) -> bool {
        self.databases
    }

    fn resources(&self) -> Resources {
        Resources { postgres: Some(PostgresSpec::Private { version: None }) }
    }

    async fn make(&self, wanted: &Wanted) -> Made {
        let behaviour = match wanted.behaviour {
            Behaviour::Good | Behaviour::BadMigration => "good",
            Behaviour::NeverReady => "never-ready",
            Behaviour::ExitsAtStart => "exits-at-start",
            Behaviour::FailsAfterSwitch => "unready-soon",
        };
        let mut service = self.world.service(&[("VERSION", &wanted.version), ("BEHAVIOUR", behaviour)]);
        if wanted.behaviour == Behaviour::NeverReady {
            service.spec.probes.start_deadline = fairway_model::Millis(700);
        }
        if wanted.database {
            let migrate =
                if wanted.behaviour == Behaviour::BadMigration { "migrate-badly" } else { "migrate" };
            service = service.database(&["service", migrate], None);
        }
        let spec = ServiceSpec {
            program: Program::Process(Box::new(service.spec)),
            contract: None,
            routes: Vec::new(),
            replicas: wanted.replicas,
            traffic: Default::default(),
        };
        Made { spec, artifacts: vec![service.source] }
    }

    async fn restart(&self) {
        self.world.restart_agent().await;
    }

    async fn ask(&self, service: &ServiceName) -> Option<String> {
        self.world.version(service.as_str()).await
    }

    async fn lose_lease(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    }
}

fairway_target::conformance_suite!(fixture);
