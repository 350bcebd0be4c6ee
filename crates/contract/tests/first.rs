use fairway_contract::{Contract, Matcher, routes};
use std::collections::BTreeMap;
#[test]
fn smoke() {
    let mut s = BTreeMap::new();
    s.insert("api/a.yaml".to_string(), "openapi: 3.0.3\ninfo: {title: T, version: 1.10}\nsecurity: [{bearer: []}]\npaths:\n  /orders/{id}:\n    get:\n      operationId: getOrder\n      parameters:\n        - {name: id, in: path, required: true, schema: {type: string, format: uuid}}\n      responses:\n        200:\n          description: ok\n          content:\n            application/json:\n              schema: {$ref: 'b.yaml#/components/schemas/Order'}\ncomponents:\n  securitySchemes:\n    bearer: {type: http, scheme: bearer}\n".to_string());
    s.insert("api/b.yaml".to_string(), "components:\n  schemas:\n    Order:\n      type: object\n      required: [id]\n      properties:\n        id: {type: string}\n        parent: {$ref: '#/components/schemas/Order'}\n".to_string());
    let c = Contract::parse("api/a.yaml", &s).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(c.version(), "1.10");
    println!("{:#?}", routes(&c));
    println!("{:?} {}", c.files(), c.digest());
    let m = Matcher::new([("orders", &c)]).unwrap();
    println!("{:?}", m.find("HEAD", "/orders/12%2F3?x"));
    println!("{:?}", m.find("POST", "/orders/12"));
}
