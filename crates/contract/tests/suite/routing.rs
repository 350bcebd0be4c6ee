//! From a method and a path to the operation they are meant for.

use std::collections::BTreeSet;

use fairway_contract::{Contract, Match, Matcher, Method, conflicts, routes};

use crate::common::{contract, files};

/// A contract with operations written as `GET /a/{b}`.
fn with(base: &str, operations: &[&str]) -> Contract {
    let mut text =
        format!("openapi: 3.0.3\ninfo: {{title: T, version: '1'}}\nservers: [{{url: '{base}'}}]\npaths:\n");
    let mut last = "";
    let mut sorted: Vec<(&str, &str)> = operations
        .iter()
        .map(|o| o.split_once(' ').expect("a method and a path"))
        .map(|(m, p)| (p, m))
        .collect();
    sorted.sort_unstable();
    for (path, method) in sorted {
        if path != last {
            text.push_str(&format!("  {path}:\n"));
            last = path;
        }
        let names: Vec<String> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .map(|name| format!("{{name: {name}, in: path, required: true, schema: {{type: string}}}}"))
            .collect();
        let (method, names) = (method.to_lowercase(), names.join(", "));
        text.push_str(&format!(
            "    {method}: {{parameters: [{names}], responses: {{'204': {{description: Done}}}}}}\n"
        ));
    }
    Contract::parse("t.yaml", &files(&[("t.yaml", &text)]))
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn routes_are_listed_by_specificity() {
    let contract = with("/v1", &["GET /a/{x}", "POST /a/{x}", "GET /a/b", "GET /{y}", "GET /a/{x}/c"]);
    let list: Vec<String> = routes(&contract).iter().map(|r| format!("{} {}", r.method, r.path)).collect();
    assert_eq!(list, ["GET /v1/a/b", "GET /v1/a/{x}", "POST /v1/a/{x}", "GET /v1/a/{x}/c", "GET /v1/{y}"]);
    let first = &routes(&contract)[0];
    assert_eq!(first.operation.to_string(), "GET /a/b");
    assert_eq!(first.place.file.as_ref(), "t.yaml");
}

#[test]
fn the_most_specific_wins() {
    let orders =
        with("/", &["GET /orders", "GET /orders/{id}", "POST /orders/import", "GET /orders/{id}/items"]);
    let stats = with("/", &["GET /orders/stats", "GET /orders/{id}.pdf", "GET /files/{name}-{part}.tar"]);
    let health = with("/", &["GET /health", "GET /a%20b/"]);
    let matcher = Matcher::new([("orders", &orders), ("stats", &stats), ("health", &health)])
        .unwrap_or_else(|conflicts| panic!("{conflicts}"));
    let answer = |method: &str, path: &str| match matcher.find(method, path) {
        Match::Found(found) => {
            let values: Vec<String> = found.parameters.iter().map(|(k, v)| format!(" {k}={v}")).collect();
            format!("{} {}{}", found.boundary, found.route.operation, values.concat())
        }
        Match::OtherMethods { boundaries, allowed } => {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            format!("405 {} {}", boundaries.into_iter().collect::<Vec<_>>().join(","), allowed.join(","))
        }
        Match::Unknown => "404".to_owned(),
    };
    let check =
        |method: &str, path: &str, expect: &str| assert_eq!(answer(method, path), expect, "{method} {path}");
    check("GET", "/orders", "orders GET /orders");
    check("GET", "/orders?page=2", "orders GET /orders");
    check("GET", "/orders/7", "orders GET /orders/{id} id=7");
    check("GET", "/orders/stats", "stats GET /orders/stats");
    check("GET", "/orders/7.pdf", "stats GET /orders/{id}.pdf id=7");
    check("GET", "/orders/7/items", "orders GET /orders/{id}/items id=7");
    check("GET", "/orders/stats/items", "orders GET /orders/{id}/items id=stats");
    check("GET", "/orders/a%2Fb", "orders GET /orders/{id} id=a/b");
    check("GET", "/orders/%E8%AE%A2", "orders GET /orders/{id} id=订");
    check("GET", "/files/a-b-c.tar", "stats GET /files/{name}-{part}.tar name=a part=b-c");
    // The written-out path has another method only; the hole takes it.
    check("GET", "/orders/import", "orders GET /orders/{id} id=import");
    check("POST", "/orders/import", "orders POST /orders/import");
    check("HEAD", "/orders/7", "orders GET /orders/{id} id=7");
    check("DELETE", "/orders/import", "405 orders GET,POST,HEAD");
    check("PUT", "/orders/stats", "405 orders,stats GET,HEAD");
    check("BREW", "/orders", "405 orders GET,HEAD");
    check("get", "/orders", "405 orders GET,HEAD");
    check("GET", "/health", "health GET /health");
    check("GET", "/health/", "404");
    check("GET", "/a b/", "health GET /a%20b/");
    check("GET", "/a%20b/", "health GET /a%20b/");
    check("GET", "/orders/", "404");
    check("GET", "//orders", "404");
    check("GET", "", "404");
    check("GET", "*", "404");
    check("GET", "/nothing", "404");
}

#[test]
fn two_contracts_may_not_claim_the_same() {
    let check = |a: &[&str], b: &[&str], expect: &[&str]| {
        let (a, b) = (with("/", a), with("/", b));
        let found: Vec<String> = conflicts([("a", &a), ("b", &b)])
            .iter()
            .map(|c| format!("{} {} {}", c.method, c.first.path, c.second.path))
            .collect();
        assert_eq!(found, expect);
        assert_eq!(Matcher::new([("a", &a), ("b", &b)]).is_err(), !expect.is_empty());
    };
    check(&["GET /a"], &["GET /a"], &["GET /a /a"]);
    check(&["GET /a"], &["POST /a"], &[]);
    check(&["GET /a/{x}"], &["GET /a/{y}"], &["GET /a/{x} /a/{y}"]);
    check(&["GET /a/{x}"], &["GET /a/b"], &[]);
    check(&["GET /a/{x}/c"], &["GET /a/b/{y}"], &[]);
    check(&["GET /a/{x}.json"], &["GET /a/r-{y}"], &["GET /a/{x}.json /a/r-{y}"]);
    check(&["GET /a/{x}.json"], &["GET /a/{y}.xml"], &[]);
    check(&["GET /a", "GET /b"], &["GET /b", "GET /a"], &["GET /a /a", "GET /b /b"]);
}

#[test]
fn base_paths_keep_contracts_apart() {
    let (a, b) = (with("/v1", &["GET /a"]), with("/v2", &["GET /a"]));
    let matcher = Matcher::new([("one", &a), ("two", &b)]).unwrap_or_else(|conflicts| panic!("{conflicts}"));
    let Match::Found(found) = matcher.find("GET", "/v2/a") else { panic!("it is there") };
    assert_eq!(found.boundary, "two");
    assert_eq!(matcher.find("GET", "/a"), Match::Unknown);
    assert_eq!(matcher.routes().count(), 2);
}

#[test]
fn a_conflict_names_both_places() {
    let one = contract(
        "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a:\n    get: {responses: {'204': {description: x}}}\n",
    );
    let two = with("/", &["GET /a"]);
    let conflicts = Matcher::new([("orders", &one), ("shipping", &two)]).expect_err("both claim it");
    assert_eq!(
        conflicts.to_string(),
        "`orders` and `shipping` both claim GET /a\n  orders: api.yaml:5:5\n  shipping: t.yaml:6:5\n  hint: let one \
         contract keep the operation, or give one of them another base path in `servers`"
    );
}

#[test]
fn methods_of_an_unknown_path_are_not_invented() {
    let contract = with("/", &["GET /a", "PATCH /a"]);
    let matcher = Matcher::new([("a", &contract)]).unwrap_or_else(|conflicts| panic!("{conflicts}"));
    let Match::OtherMethods { allowed, .. } = matcher.find("OPTIONS", "/a") else {
        panic!("the path is known")
    };
    assert_eq!(allowed, BTreeSet::from([Method::Get, Method::Head, Method::Patch]));
}
