//! A realistic change, the table of rules, and a large contract.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use fairway_contract::{Contract, Rule, Summary, compare};

use crate::common::{contract, files};

const COMMON_OLD: &str = "\
components:
  responses:
    NotFound:
      description: There is none
      content: {application/json: {schema: {$ref: '#/components/schemas/Problem'}}}
  schemas:
    Problem:
      type: object
      required: [code, message]
      properties:
        code: {type: string, enum: [invalid, not_found]}
        message: {type: string}
    Money:
      type: object
      required: [amount, currency]
      properties:
        amount: {type: integer, format: int64}
        currency: {type: string, minLength: 3, maxLength: 3}
";

const ORDERS_OLD: &str = "\
openapi: 3.0.3
info: {title: Orders, version: '1.4'}
security: [{bearer: []}]
paths:
  /orders:
    get:
      operationId: listOrders
      parameters:
        - {name: page, in: query, schema: {type: integer, minimum: 1}}
        - {name: status, in: query, schema: {$ref: '#/components/schemas/Status'}}
      responses:
        '200':
          description: Orders
          content:
            application/json:
              schema: {type: array, items: {$ref: '#/components/schemas/Order'}}
    post:
      operationId: createOrder
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: '#/components/schemas/NewOrder'}}}
      responses:
        '201':
          description: Created
          content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, format: uuid}}
    get:
      operationId: getOrder
      responses:
        '200':
          description: The order
          content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}
        '404': {$ref: 'common.yaml#/components/responses/NotFound'}
    delete:
      operationId: deleteOrder
      responses: {'204': {description: Gone}}
components:
  securitySchemes:
    bearer: {type: http, scheme: bearer}
  schemas:
    Status: {type: string, enum: [open, paid]}
    NewOrder:
      type: object
      required: [items]
      properties:
        items: {type: array, minItems: 1, items: {$ref: '#/components/schemas/Item'}}
        remark: {type: string, nullable: true}
    Order:
      allOf:
        - $ref: '#/components/schemas/NewOrder'
        - type: object
          required: [id, status, total]
          properties:
            id: {type: string, format: uuid}
            status: {$ref: '#/components/schemas/Status'}
            total: {$ref: 'common.yaml#/components/schemas/Money'}
            parent: {$ref: '#/components/schemas/Order'}
    Item:
      type: object
      required: [sku, quantity]
      properties:
        sku: {type: string}
        quantity: {type: integer, minimum: 1}
";

/// The next version: what a busy week does to a contract.
fn new_orders() -> String {
    let mut text = ORDERS_OLD.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    };
    replace("version: '1.4'", "version: '1.5'");
    replace(
        "schema: {type: integer, minimum: 1}}\n",
        "schema: {type: integer, minimum: 1, maximum: 1000}}\n",
    );
    replace(
        "Status: {type: string, enum: [open, paid]}",
        "Status: {type: string, enum: [open, paid, shipped]}",
    );
    replace("        quantity: {type: integer, minimum: 1}", "        quantity: {type: integer, minimum: 0}");
    replace("required: [items]\n", "required: [items, address]\n");
    replace("        remark: {", "        address: {type: string}\n        remark: {");
    replace(
        "    delete:\n      operationId: deleteOrder\n      responses: {'204': {description: Gone}}\n",
        "  /orders/stats:\n    get:\n      operationId: orderStats\n      responses: {'200': {description: Numbers}}\n",
    );
    replace(
        "            total: {$ref: 'common.yaml#/components/schemas/Money'}\n",
        "            total: {oneOf: [{$ref: 'common.yaml#/components/schemas/Money'}]}\n",
    );
    text
}

fn pair() -> (Contract, Contract) {
    let read = |orders: &str, common: &str| {
        let sources = files(&[("api/orders.yaml", orders), ("api/common.yaml", common)]);
        Contract::parse("api/orders.yaml", &sources).unwrap_or_else(|problems| panic!("{problems}"))
    };
    let common_new =
        COMMON_OLD.replace("currency: {type: string,", "currency: {type: string, nullable: true,");
    (read(ORDERS_OLD, COMMON_OLD), read(&new_orders(), &common_new))
}

#[test]
fn a_week_of_changes() {
    let (old, new) = pair();
    let findings = compare(&old, &new);
    let mut text = String::new();
    for finding in &findings {
        let _ = writeln!(text, "{finding}\n");
    }
    let _ = writeln!(text, "{}", Summary::of(&findings));
    insta::assert_snapshot!(text);
}

#[test]
fn findings_as_json_are_stable() {
    let (old, new) = pair();
    insta::assert_json_snapshot!(compare(&old, &new).first());
}

/// Releases keep digests. If this changes, every contract seems to have changed.
#[test]
fn the_digest_stays_what_it_is() {
    let (old, _) = pair();
    insta::assert_snapshot!(old.digest());
}

#[test]
fn the_table_of_rules() {
    insta::assert_snapshot!(Rule::markdown());
}

#[test]
fn rules_have_one_name_everywhere() {
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).expect("a name"), rule.id());
        assert!(rule.description().ends_with('.'), "{rule}: {}", rule.description());
        assert!(!rule.description().contains("  "), "{rule}: {}", rule.description());
    }
}

/// A rule without a test might as well not exist.
#[test]
fn every_rule_is_tested() {
    let tests = concat!(include_str!("schema_rules.rs"), include_str!("operation_rules.rs"));
    let untested: Vec<&str> = Rule::ALL
        .iter()
        // The net under the others: a case for it would be a case for a rule.
        .filter(|rule| **rule != Rule::UnexplainedChange)
        .flat_map(|rule| rule.verdicts().iter().map(move |verdict| (rule, verdict)))
        .filter(|(rule, verdict)| !tests.contains(&format!("\"{verdict} {}\"", rule.id())))
        .map(|(rule, _)| rule.id())
        .collect();
    assert_eq!(untested, Vec::<&str>::new());
}

/// Five hundred operations over shared schemas; each with a change somewhere below.
fn large(total: &str) -> String {
    let mut text = String::from("openapi: 3.0.3\ninfo: {title: Large, version: '1'}\npaths:\n");
    for i in 0..250 {
        let _ = write!(
            text,
            "  /things{i}/{{id}}:\n    parameters:\n      - {{name: id, in: path, required: true, schema: {{type: string, format: uuid}}}}\n    \
             get:\n      operationId: get{i}\n      responses:\n        '200': {{description: Ok, content: {{application/json: {{schema: {{$ref: '#/components/schemas/Thing{i}'}}}}}}}}\n        \
             '404': {{description: No, content: {{application/json: {{schema: {{$ref: '#/components/schemas/Problem'}}}}}}}}\n    \
             post:\n      operationId: post{i}\n      requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/Thing{i}'}}}}}}}}\n      \
             responses:\n        '201': {{description: Ok, content: {{application/json: {{schema: {{$ref: '#/components/schemas/Thing{i}'}}}}}}}}\n"
        );
    }
    text.push_str("components:\n  schemas:\n    Problem: {type: object, required: [code], properties: {code: {type: string}, details: {type: object}}}\n");
    let _ = writeln!(
        text,
        "    Money: {{type: object, properties: {{amount: {{type: {total}}}, currency: {{type: string}}}}}}"
    );
    for i in 0..250 {
        // Families of ten that know each other.
        let next = i / 10 * 10 + (i + 1) % 10;
        let _ = write!(
            text,
            "    Thing{i}:\n      allOf:\n        - type: object\n          required: [id, name{i}]\n          properties:\n            id: {{type: string, format: uuid}}\n            \
             name{i}: {{type: string, maxLength: {i}}}\n            tags: {{type: array, items: {{type: string, enum: [a, b, c]}}}}\n        \
             - type: object\n          properties:\n            total: {{$ref: '#/components/schemas/Money'}}\n            next: {{$ref: '#/components/schemas/Thing{next}'}}\n"
        );
    }
    text
}

#[test]
fn a_large_contract_is_no_burden() {
    let start = Instant::now();
    let (old, new) = (contract(&large("integer")), contract(&large("string")));
    let parsed = start.elapsed();
    let start = Instant::now();
    let findings = compare(&old, &new);
    let compared = start.elapsed();
    assert_eq!(old.operations().len(), 500);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    println!("two contracts read in {parsed:?}, compared in {compared:?}");
    // Generous, because the machine may be busy with other tests; it takes a fraction of this.
    assert!(compared < Duration::from_secs(10), "{compared:?}");
}
