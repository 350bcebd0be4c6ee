//! What is asked, and what is read off.

use crate::database::{Database, database_name};
use crate::peers::Nginx;
use crate::people::{People, bearer, request};
use crate::shop::Shop;
use anyhow::ensure;
use fairway_stories::measure::rate::{self, Pace, Requests, flood, get};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Kept connections of the load.
pub(crate) const CONNECTIONS: usize = 32;
/// The requests per second at which times are taken.
pub(crate) const PACE: u32 = 200;
/// How many requests the statements are counted of.
const COUNTED: u32 = 40;

/// A request of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Bootstrap,
    SignedIn,
    Products,
    Product,
    Cart,
    Order,
}

/// How long each measurement takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans {
    pub(crate) warm_up: Duration,
    pub(crate) lasts: Duration,
}

/// What was found for a row, in each round.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) rounds: Vec<Round>,
    /// Statements of one request in the databases of identity and commerce.
    pub(crate) statements: [f64; 2],
}

/// What was found in one round.
#[derive(Debug)]
pub(crate) struct Round {
    /// Requests per second through the gateway.
    pub(crate) rate: f64,
    /// The same of the service alone, and through nginx.
    pub(crate) direct: Option<f64>,
    pub(crate) nginx: Option<f64>,
    /// CPU time of each request in microseconds: gateway, identity, commerce, PostgreSQL.
    pub(crate) cpu: [f64; 4],
    /// Times at a fixed rate.
    pub(crate) median: Duration,
    pub(crate) slow: Duration,
    /// Requests that were not answered with 2xx.
    pub(crate) failed: u64,
}

impl Row {
    /// For the table.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Bootstrap => "`GET /bff/bootstrap`",
            Self::SignedIn => "`GET /bff/bootstrap`, signed in",
            Self::Products => "`GET /catalog/products`, 20 of them",
            Self::Product => "`GET /catalog/products/{id}`",
            Self::Cart => "`POST /cart/items`",
            Self::Order => "`POST /orders`",
        }
    }

    /// Whether a service answers it that can be asked without the gateway.
    fn has_service(self) -> bool {
        !matches!(self, Self::Bootstrap | Self::SignedIn)
    }

    fn requests(self, address: SocketAddr, people: &People, run: u64) -> Requests {
        let signed =
            |method: &'static str, path: &'static str, body: Option<serde_json::Value>| -> Requests {
                let tokens: Vec<String> = people.customers.iter().map(|token| bearer(token)).collect();
                Arc::new(move |number| {
                    let token = &tokens[usize::try_from(number).unwrap_or(0) % tokens.len()];
                    let headers = format!("{token}Idempotency-Key: {run}-{number}\r\n");
                    request(address, method, path, &headers, body.as_ref())
                })
            };
        let line = json!({ "skuId": people.sku, "qty": 2 });
        match self {
            Self::Bootstrap => get(address, "/bff/bootstrap"),
            Self::SignedIn => signed("GET", "/bff/bootstrap", None),
            Self::Products => get(address, "/catalog/products?pageSize=20"),
            Self::Product => get(address, &format!("/catalog/products/{}", people.product)),
            Self::Cart => signed("POST", "/cart/items", Some(line)),
            Self::Order => {
                let address =
                    json!({ "receiverName": "李雷", "receiverPhone": "13800000000", "detail": "1 号" });
                signed("POST", "/orders", Some(json!({ "address": address, "items": [line] })))
            }
        }
    }
}

/// All rows in turns, so that what happens to the machine happens to all of them.
pub(crate) async fn in_rounds(
    rows: &[Row],
    rounds: usize,
    spans: Spans,
    shop: &mut Shop,
    database: &Database,
    people: &People,
    nginx: Option<&Nginx>,
) -> anyhow::Result<Vec<Measured>> {
    let mut all: Vec<Measured> =
        rows.iter().map(|row| Measured { row: *row, rounds: Vec::new(), statements: [0.0; 2] }).collect();
    let mut run = Runs(0);
    for number in 1..=rounds {
        for found in &mut all {
            eprintln!("bench: round {number} of {rounds}, {}", found.row.label());
            let round = one_round(found.row, &mut run, spans, shop, database, people, nginx).await?;
            found.rounds.push(round);
            shop.alive()?;
        }
    }
    for found in &mut all {
        found.statements = statements(found.row, &mut run, shop, database, people).await?;
    }
    Ok(all)
}

/// Numbers for runs, so that no key of an order comes twice.
struct Runs(u64);

impl Runs {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

async fn one_round(
    row: Row,
    run: &mut Runs,
    spans: Spans,
    shop: &Shop,
    database: &Database,
    people: &People,
    nginx: Option<&Nginx>,
) -> anyhow::Result<Round> {
    let mut full = async |address: SocketAddr| {
        let requests = row.requests(address, people, run.next());
        flood(address, CONNECTIONS, spans.warm_up, spans.lasts, &requests).await
    };
    let gateway = shop.gateway()?;
    let before = cpu(shop, database)?;
    let found = full(gateway).await?;
    let after = cpu(shop, database)?;
    // The warm-up is in the CPU time, so its part is in the count.
    let lasted = spans.lasts.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    let rate = |count: usize| count as f64 / lasted;
    let asked = rate(found.count()) * (lasted + spans.warm_up.as_secs_f64());
    let direct = match row.has_service() {
        true => Some(rate(full(shop.service("commerce")?.address).await?.count())),
        false => None,
    };
    let nginx = match nginx.filter(|_| row.has_service()) {
        Some(nginx) => Some(rate(full(nginx.address).await?.count())),
        None => None,
    };
    let requests = row.requests(gateway, people, run.next());
    let pace = Pace { rate: PACE, connections: CONNECTIONS };
    let paced = rate::run(gateway, pace, spans.warm_up, spans.lasts, &requests).await?;
    Ok(Round {
        rate: rate(found.count()),
        direct,
        nginx,
        cpu: std::array::from_fn(|index| (after[index] - before[index]).as_secs_f64() * 1e6 / asked.max(1.0)),
        median: paced.quantile(0.5),
        slow: paced.quantile(0.99),
        failed: found.failed + paced.failed,
    })
}

fn cpu(shop: &Shop, database: &Database) -> anyhow::Result<[Duration; 4]> {
    let of = |name: &str| shop.service(name)?.running.cpu();
    Ok([of("gateway-bff")?, of("identity")?, of("commerce")?, database.cpu()?])
}

/// How many statements a request takes, from PostgreSQL's own log.
async fn statements(
    row: Row,
    run: &mut Runs,
    shop: &Shop,
    database: &Database,
    people: &People,
) -> anyhow::Result<[f64; 2]> {
    let gateway = shop.gateway()?;
    // One customer: what is remembered of somebody is asked once, not once for each of them.
    let requests = row.requests(gateway, &people.first(), run.next());
    database.set(None, &[("log_statement", "all")]).await?;
    let begin = database.log_end()?;
    let pace = Pace { rate: COUNTED, connections: 1 };
    let asked = rate::run(gateway, pace, Duration::ZERO, Duration::from_secs(1), &requests).await?;
    let log = database.log_since(begin)?;
    database.set(None, &[("log_statement", "none")]).await?;
    ensure!(asked.failed == 0, "{} of {} requests went wrong", asked.failed, row.label());
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let each = |service: &str| count(&log, &database_name(service)) as f64 / asked.count().max(1) as f64;
    Ok([each("identity"), each("commerce")])
}

/// Statements that a log has of a database: `… user@database LOG:  execute sqlx_s_1: SELECT …`.
fn count(log: &str, database: &str) -> usize {
    let ours = format!("@{database} LOG:  ");
    let statement = |line: &str| {
        let said = line.split_once(&ours)?.1;
        (said.starts_with("execute ") || said.starts_with("statement: ")).then_some(())
    };
    log.lines().filter_map(statement).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_one_database_are_counted() {
        let log = "2026 [1] a@bench_a LOG:  execute s1: SELECT 1\n\
                   2026 [1] a@bench_a DETAIL:  parameters: $1 = '1'\n\
                   2026 [2] b@bench_b LOG:  statement: BEGIN\n\
                   2026 [2] b@bench_b LOG:  statement: COMMIT\n";
        assert_eq!((count(log, "bench_a"), count(log, "bench_b"), count(log, "bench_c")), (1, 2, 0));
    }
}
