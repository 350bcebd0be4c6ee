//! Tables as others send them: format, checks, order, differences.

use fairway_model::traffic::{Upstream, UpstreamTls};
use fairway_route::{
    Admission, Backend, Compiled, DecodeError, Position, Route, Service, Stub, Table, admit, decode, diff,
};
use proptest::prelude::*;

/// A document of format 1 as it was first written. It must load for ever.
const SAMPLE: &str = include_str!("samples/table-v1.json");

fn backend(id: &str, port: u16, release: u64) -> Backend {
    Backend { id: id.into(), address: ([127, 0, 0, 1], port).into(), weight: 1, release }
}

fn route(listener: &str, host: Option<&str>, path: &str, service: &str) -> Route {
    Route {
        listener: listener.into(),
        host: host.map(Into::into),
        path: path.into(),
        service: service.into(),
        guard: Default::default(),
    }
}

fn table() -> Table {
    let mut table = Table::empty("dev", 7, 2);
    table.listeners.insert("public".into(), ([127, 0, 0, 1], 8080).into());
    table.services.insert(
        "gateway".into(),
        Service { instances: vec![backend("gateway-7-0", 40001, 7)], ..Service::default() },
    );
    table.services.insert(
        "ai".into(),
        Service { stub: Some(Stub { boundary: "ai".into(), title: None }), ..Service::default() },
    );
    table.routes.push(route("public", None, "/", "gateway"));
    table.routes.push(route("public", Some("ai.example.com"), "/", "ai"));
    table
}

#[test]
fn the_first_format_still_loads() {
    let decoded = decode(SAMPLE.as_bytes()).unwrap();
    assert_eq!(decoded.problems, []);
    assert_eq!(decoded.table, table());
    assert_eq!(decoded.table.check(), []);
    assert_eq!(serde_json::from_str::<Table>(SAMPLE).unwrap(), table());
}

#[test]
fn another_format_is_named() {
    let newer = SAMPLE.replace("\"format\": 1", "\"format\": 9, \"unheard_of\": true");
    assert!(matches!(decode(newer.as_bytes()), Err(DecodeError::Format(9))));
    assert!(matches!(decode(b"{\"format\": 1}"), Err(DecodeError::Shape(_))));
    assert!(matches!(decode(b"\0\0"), Err(DecodeError::Shape(_))));
}

#[test]
fn an_unreadable_entry_costs_only_itself() {
    let broken = SAMPLE.replace("127.0.0.1:40001", "somewhere");
    let decoded = decode(broken.as_bytes()).unwrap();
    let words: Vec<String> = decoded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["services.gateway: not readable: invalid socket address syntax"]);
    assert_eq!(decoded.table.services["gateway"], Service::default());
    assert_eq!(decoded.table.services["ai"], table().services["ai"]);
    assert_eq!(decoded.table.routes, table().routes);
}

#[test]
fn every_problem_names_its_entry() {
    let mut it = table();
    it.format = 2;
    it.environment.clear();
    it.listeners.insert("second".into(), "127.0.0.1:8080".parse().unwrap());
    it.listeners.insert("chosen-a".into(), "127.0.0.1:0".parse().unwrap());
    it.listeners.insert("chosen-b".into(), "127.0.0.1:0".parse().unwrap());
    let ai = it.services.get_mut("ai").unwrap();
    ai.instances = vec![backend("ai-1", 0, 7), backend("ai-2", 1, 7)];
    it.services.get_mut("gateway").unwrap().instances.push(backend("gateway-7-0", 2, 7));
    let unknown = Service { instances: vec![backend("safe-7-0", 3, 7)], ..Service::default() };
    let safe = it.services.entry("safe".into()).or_insert(unknown);
    safe.treatment.upstream = Upstream::Https;
    safe.treatment.upstream_tls = UpstreamTls { server_name: "*.test".into(), roots: Some("ca.pem".into()) };
    it.routes.extend([
        route("nowhere", None, "/", "nobody"),
        route("public", Some("a b"), "/", "ai"),
        route("public", None, "api", "ai"),
        route("public", Some("AI.example.com."), "/", "gateway"),
        route("public", None, "/later", "ai"),
    ]);
    let words: Vec<String> = it.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "table: format 2 is not known here (this version reads format 1)",
            "table: the environment has no name",
            "listeners.second: address 127.0.0.1:8080 is taken by listener `public` of the same table",
            "services.ai.instances.ai-1: nothing can connect to 127.0.0.1:0",
            "services.ai: a service has instances or is a stub, not both; the stub is ignored",
            "services.gateway.instances.gateway-7-0: instance id `gateway-7-0` occurs twice; ids are unique within an environment",
            "services.safe: instances could not be recognised: server name `*.test` is neither a host name nor an address",
            "services.safe: instances could not be recognised: roots `ca.pem` is no absolute path",
            "routes[2]: listener `nowhere` is not in the table",
            "routes[2]: service `nobody` is not in the table",
            "routes[3]: host `a b`: ` ` is not allowed in a host name; write the name alone, without scheme, port or path",
            "routes[4]: path `api`: a path begins with `/` (a prefix) or `=/` (exactly this path)",
            "routes[5]: ai.example.com/ on listener `public` is claimed by routes[1] already",
        ]
    );
    // The rest stands.
    let compiled = Compiled::new(&it);
    let matcher = compiled.matcher("public");
    assert_eq!(matcher.find(None, "/"), Ok(&"gateway".to_owned()));
    assert_eq!(matcher.find(Some("ai.example.com"), "/"), Ok(&"ai".to_owned()));
    assert_eq!(matcher.find(None, "/later/x"), Ok(&"ai".to_owned()));
    assert_eq!(compiled.services["ai"].instances, [backend("ai-2", 1, 7)]);
    assert_eq!(compiled.services["safe"].instances, []);
}

#[test]
fn the_past_is_refused() {
    let at = |generation, revision| Table { generation, revision, ..table() };
    let check = |incoming: Table, expect: Admission| {
        assert_eq!(admit(Some(&table()), &incoming), expect, "{}", incoming.position());
    };
    let here = Position { generation: 7, revision: 2 };
    check(at(7, 2), Admission::Same);
    check(at(7, 3), Admission::Newer);
    check(at(8, 0), Admission::Newer);
    check(at(7, 1), Admission::Stale(here));
    check(at(6, 99), Admission::Stale(here));
    let mut other = at(7, 2);
    other.routes.pop();
    check(other, Admission::Contradicts(here));
    assert_eq!(admit(None, &at(0, 0)), Admission::Newer);
}

#[test]
fn differences_in_words() {
    let old = table();
    let mut new = table();
    new.generation = 8;
    *new.listeners.get_mut("public").unwrap() = "127.0.0.1:9090".parse().unwrap();
    new.listeners.insert("identity".into(), "127.0.0.1:9091".parse().unwrap());
    let gateway = new.services.get_mut("gateway").unwrap();
    gateway.instances[0].weight = 9;
    gateway.instances.push(backend("gateway-8-0", 40002, 8));
    new.services.remove("ai");
    new.routes.pop();
    let words: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "+ listener identity 127.0.0.1:9091",
            "~ listener public 127.0.0.1:8080 -> 127.0.0.1:9090",
            "- service ai",
            "~ gateway: gateway-7-0 at 127.0.0.1:40001, weight 1 -> at 127.0.0.1:40001, weight 9, release 7",
            "+ gateway: gateway-8-0 at 127.0.0.1:40002, weight 1, release 8",
            "- route public ai.example.com/ -> ai",
        ]
    );
    assert_eq!(diff(&old, &old), []);
}

fn any_route() -> impl Strategy<Value = Route> {
    ("[ab]", prop::option::of("(\\*\\.)?[a-c]{1,2}|\\*|"), "=?/?[ab/]{0,3}", "[ab]").prop_map(
        |(listener, host, path, service)| Route { listener, host, path, service, guard: Default::default() },
    )
}

fn any_table() -> impl Strategy<Value = Table> {
    let listeners = prop::collection::btree_map("[ab]", 0u16..4, 0..3);
    let services =
        prop::collection::btree_map("[ab]", prop::collection::vec(("[a-d]", 0u16..4, 0u32..3), 0..3), 0..3);
    let secrets = prop::option::of("/[a-c]");
    (listeners, services, prop::collection::vec(any_route(), 0..8), secrets).prop_map(
        |(listeners, services, routes, secrets)| {
            let mut table = Table::empty("dev", 1, 0);
            table.secrets = secrets.map(Into::into);
            table.listeners =
                listeners.into_iter().map(|(name, port)| (name, ([127, 0, 0, 1], port).into())).collect();
            for (name, instances) in services {
                let instances = instances
                    .into_iter()
                    .map(|(id, port, weight)| Backend { weight, ..backend(&id, port, 1) })
                    .collect();
                table.services.insert(name, Service { instances, ..Service::default() });
            }
            table.routes = routes;
            table
        },
    )
}

proptest! {
    /// What compiles is sound: each kept route can be found again, each left-out one has its problem.
    #[test]
    fn broken_entries_are_left_out_and_only_those(table in any_table()) {
        let compiled = Compiled::new(&table);
        for route in &compiled.routes {
            prop_assert!(compiled.listeners.contains_key(&route.listener));
            prop_assert!(compiled.services.contains_key(&route.service));
            let _ = compiled.matcher(&route.listener);
        }
        for index in 0..table.routes.len() {
            let kept = compiled.routes.iter().any(|route| route.index == index);
            let faulty = compiled.problems.iter().any(|problem| problem.entry == fairway_route::Entry::Route(index));
            prop_assert_ne!(kept, faulty, "route {}", index);
        }
        if compiled.problems.is_empty() {
            prop_assert_eq!(&compiled.services, &table.services);
        }
    }

    #[test]
    fn a_table_survives_its_journey(table in any_table()) {
        let json = serde_json::to_vec(&table).unwrap();
        let decoded = decode(&json).unwrap();
        prop_assert_eq!(decoded.problems, vec![]);
        prop_assert_eq!(&decoded.table, &table);
        prop_assert_eq!(admit(Some(&table), &decoded.table), Admission::Same);
        prop_assert_eq!(diff(&table, &decoded.table), vec![]);
    }
}
