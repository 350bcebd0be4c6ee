//! What is read, and what is said about what cannot be.

use fairway_contract::{Contract, FromFn, Method, ProblemKind, Problems, Unreadable, compare};

use crate::common::{contract, files, parse, with_paths, with_schema};

#[track_caller]
fn faults(text: &str) -> Problems {
    match parse(text) {
        Ok(_) => panic!("read without a fault:\n{text}"),
        Err(problems) => problems,
    }
}

/// Each problem as `line:column kind`.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let problems = faults(text);
    let found: Vec<String> =
        problems.iter().map(|p| format!("{}:{} {:?}", p.place.line, p.place.column, p.kind)).collect();
    assert_eq!(found, expect, "\n{problems}\n---\n{text}");
}

const INFO: &str = "info: {title: T, version: '1'}\n";
const DONE: &str = "responses: {'204': {description: Done}}";

#[test]
fn a_whole_document() {
    let text = "\
openapi: 3.0.3
info: {title: Orders, version: 1.10}
servers: [{url: https://example.com/v1}]
paths:
  /orders/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string, format: uuid}}
    get:
      operationId: getOrder
      summary: One order
      tags: [orders]
      responses:
        200: {description: The order, content: {application/json: {schema: {type: object}}}}
        default: {description: Anything else}
    delete:
      deprecated: true
      responses: {'204': {description: Done}}
";
    let contract = contract(text);
    assert_eq!((contract.title(), contract.version(), contract.openapi()), ("Orders", "1.10", "3.0.3"));
    let operations: Vec<String> = contract.operations().iter().map(|o| o.key().to_string()).collect();
    assert_eq!(operations, ["GET /orders/{id}", "DELETE /orders/{id}"]);
    let get = contract.operation(Method::Get, "/orders/{id}").expect("it is there");
    assert_eq!(get.id.as_deref(), Some("getOrder"));
    assert_eq!(get.summary.as_deref(), Some("One order"));
    assert_eq!(get.tags, ["orders"]);
    assert_eq!(get.base_paths.iter().collect::<Vec<_>>(), ["/v1"]);
    assert_eq!(get.responses.keys().map(ToString::to_string).collect::<Vec<_>>(), ["200", "default"]);
    assert_eq!(get.place.to_string(), "api.yaml:8:5");
    assert!(get.security.allows_anonymous());
    assert!(contract.operation(Method::Delete, "/orders/{id}").expect("it is there").deprecated);
    assert_eq!(contract.files().iter().collect::<Vec<_>>(), ["api.yaml"]);
}

#[test]
fn json_is_read_too() {
    let json = "{\n\t\"openapi\": \"3.1.0\",\n\t\"info\": {\"title\": \"T\", \"version\": \"1\"},\n\t\"paths\": {\n\t\t\
                \"\\/a\": {\"get\": {\"responses\": {\"204\": {\"description\": \"Fertig \\u2713\"}}}}\n\t}\n}\n";
    let yaml = with_paths("3.1.0", &format!("/a: {{get: {{{DONE}}}}}"));
    assert_eq!(contract(json).digest(), contract(&yaml).digest());
}

#[test]
fn characters_as_json_escapes_them() {
    let json = r#"{"openapi": "3.0.3", "info": {"title": "\ud83d\ude00 \\ud83d \u2713", "version": "1"}, "paths": {}}"#;
    assert_eq!(contract(json).title(), "\u{1f600} \\ud83d \u{2713}");
    check(
        r#"{"openapi": "3.0.3", "info": {"title": "\ud83d", "version": "1"}, "paths": {}}"#,
        &["1:40 Syntax"],
    );
}

#[test]
fn the_entry_is_one_file_however_it_is_called() {
    let entry = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {/a: {$ref: b.yaml}}\ncomponents: {schemas: {A: {type: string}}}\n";
    let item = "get: {operationId: x, responses: {'200': {description: x, content: {a/b: {schema: {$ref: 'a.yaml#/components/schemas/A'}}}}}}\n";
    for (a, b) in [
        ("a.yaml", "b.yaml"),
        ("./a.yaml", "b.yaml"),
        ("../x/a.yaml", "../x/b.yaml"),
        ("/x/a.yaml", "/x/b.yaml"),
    ] {
        let contract = Contract::parse(a, &files(&[(a, entry), (b, item)]))
            .unwrap_or_else(|problems| panic!("{problems}"));
        let mut expect = vec![a, b];
        expect.sort_unstable();
        assert_eq!(contract.files().iter().collect::<Vec<_>>(), expect);
    }
}

#[test]
fn what_stands_beside_a_reference_is_not_ignored_in_silence() {
    let schema = |version: &str, beside: &str| {
        with_schema(
            version,
            "response",
            &format!("{{$ref: '#/components/schemas/A', {beside}}}"),
            "A: {type: object}",
        )
    };
    contract(&schema("3.0.3", "description: Fine, x-y: z"));
    check(&schema("3.0.3", "nullable: true"), &["11:56 InvalidValue"]);
    contract(&schema("3.1.0", "required: [a]"));
    let text = with_paths(
        "3.1.0",
        "/a: {get: {parameters: [{$ref: '#/components/parameters/P', required: true}], responses: {'204': {description: x}}}}",
    );
    check(
        &format!("{text}components: {{parameters: {{P: {{name: p, in: query, schema: {{}}}}}}}}\n"),
        &["4:63 InvalidValue"],
    );
}

#[test]
fn what_is_not_openapi() {
    check("", &["1:1 Syntax"]);
    check("# nothing\n", &["1:1 Syntax"]);
    check("just words", &["1:1 WrongShape"]);
    check("a: [1, 2", &["2:1 Syntax"]);
    check("a: 1\nb: 2\na: 3\n", &["1:1 Missing", "3:1 Duplicate"]);
    check("openapi: 3.0.3\n---\nopenapi: 3.0.3\n", &["2:1 Syntax"]);
    check("swagger: '2.0'\ninfo: {title: T, version: '1'}\npaths: {}\n", &["1:1 UnsupportedVersion"]);
    check(&format!("{INFO}paths: {{}}\n"), &["1:1 Missing"]);
    check(&format!("openapi: 3.2.0\n{INFO}paths: {{}}\n"), &["1:10 UnsupportedVersion"]);
    check(&format!("openapi: 4\n{INFO}paths: {{}}\n"), &["1:10 UnsupportedVersion"]);
    check(&format!("openapi: 3.0.3\n{INFO}"), &["1:1 Missing"]);
    check("openapi: 3.0.3\npaths: {}\n", &["1:1 Missing"]);
    check("openapi: 3.0.3\ninfo: {}\npaths: {}\n", &["2:1 Missing", "2:1 Missing"]);
    check(&format!("openapi: 3.0.3\n{INFO}paths: []\n"), &["3:8 WrongShape"]);
    check("a: &x [*x]\n", &["1:8 Syntax"]);
    check("a: !include b.yaml\n", &["1:4 Syntax"]);
    check("? [a, b]\n: c\n", &["1:3 Syntax"]);
}

#[test]
fn documents_without_paths() {
    contract(&format!("openapi: 3.1.0\n{INFO}components: {{}}\n"));
    contract(&format!("openapi: 3.0\n{INFO}paths: {{}}\n"));
    check(&format!("openapi: 3.1.0\n{INFO}"), &["1:1 Missing"]);
}

#[test]
fn the_message_helps() {
    let check = |text: &str, expect: &str| {
        assert_eq!(faults(text).to_string(), expect);
    };
    check(
        "swagger: '2.0'\n",
        "api.yaml:1:1: this is a Swagger 2.0 document; contracts are OpenAPI 3.0 or 3.1\n  hint: convert it once, for \
         example with `npx swagger2openapi`, and keep the result",
    );
    check(
        &with_paths("3.0.3", "/a/{id}:\n  get:\n    reponses: {'204': {description: Done}}\n"),
        "api.yaml:5:5: GET /a/{id} does not say what it answers\n  hint: add `responses` with at least one status, for \
         example `\"204\": {description: Done}`\n\
         api.yaml:5:5: GET /a/{id} does not declare the path parameter `id`\n  hint: add `- {name: id, in: path, \
         required: true, schema: {type: string}}` to its `parameters`\n\
         api.yaml:6:7: an operation has no key `reponses`\n  hint: did you mean `responses`?",
    );
    check(
        &with_schema("3.0.3", "response", "{$ref: '#/components/schemas/Ordr'}", "Order: {type: object}"),
        "api.yaml:11:30: `#/components/schemas/Ordr` leads nowhere: there is no `Ordr` in `api.yaml`\n  hint: did you \
         mean `Order`?",
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let text = with_paths(
        "3.0.3",
        "a: {}\n\
         /b?c: {}\n\
         /d/{e}: {get: {responses: {'20': {description: x}}}}\n\
         /f: {gett: {}, get: {operationId: x, responses: {}}, post: {operationId: x, responses: {'200': {description: x}}}}\n",
    );
    check(
        &text,
        &[
            "4:3 InvalidValue",
            "5:3 InvalidValue",
            "6:12 PathParameter",
            "6:30 InvalidValue",
            "7:8 UnknownKey",
            "7:40 Missing",
            "7:76 Duplicate",
        ],
    );
}

#[test]
fn operations_and_parameters() {
    let operation =
        |content: &str| with_paths("3.0.3", &format!("/a/{{id}}: {{get: {{{content}, {DONE}}}}}"));
    let id = "{name: id, in: path, required: true, schema: {type: string}}";
    contract(&operation(&format!("parameters: [{id}]")));
    let cases = [
        ("parameters: [{name: id, in: path, schema: {type: string}}]".to_owned(), vec!["PathParameter"]),
        (format!("parameters: [{id}, {id}]"), vec!["Duplicate"]),
        (
            format!("parameters: [{id}, {{name: ie, in: path, required: true, schema: {{}}}}]"),
            vec!["PathParameter"],
        ),
        (format!("parameters: [{id}, {{name: b, in: body, schema: {{}}}}]"), vec!["InvalidValue"]),
        (format!("parameters: [{id}, {{in: query, schema: {{}}}}]"), vec!["Missing"]),
        (format!("parameters: [{id}, {{name: q, in: query}}]"), vec!["Missing"]),
        (
            format!("parameters: [{id}, {{name: q, in: query, schema: {{}}, content: {{a/b: {{}}}}}}]"),
            vec!["InvalidValue"],
        ),
        (
            format!("parameters: [{id}, {{name: q, in: query, content: {{a/b: {{}}, c/d: {{}}}}}}]"),
            vec!["InvalidValue"],
        ),
        (format!("parameters: [{id}, {{name: Accept, in: header, schema: {{}}}}]"), vec!["InvalidValue"]),
        (
            format!("parameters: [{id}, {{name: q, in: query, style: matrix, schema: {{}}}}]"),
            vec!["InvalidValue"],
        ),
        (format!("parameters: [{id}], requestBody: {{}}"), vec!["Missing"]),
        (format!("parameters: [{id}], requestBody: {{content: {{json: {{}}}}}}"), vec!["InvalidValue"]),
        (
            format!("parameters: [{id}], requestBody: {{content: {{a/b: {{}}, A/B; c=d: {{}}}}}}"),
            vec!["Duplicate"],
        ),
        (format!("parameters: [{id}], security: [{{bearer: []}}]"), vec!["UnknownSecurityScheme"]),
        (format!("parameters: {id}"), vec!["PathParameter", "WrongShape"]),
        (format!("parameters: [{id}], deprecated: maybe"), vec!["WrongShape"]),
    ];
    for (content, expect) in cases {
        let problems = faults(&operation(&content));
        let kinds: Vec<String> = problems.iter().map(|p| format!("{:?}", p.kind)).collect();
        assert_eq!(kinds, expect, "{problems}\n{content}");
    }
    check(
        &with_paths("3.0.3", &format!("/a/{{x}}: {{}}\n/a/{{y}}: {{}}\n/b: {{get: {{{DONE}}}}}")),
        &["5:3 Duplicate"],
    );
}

#[test]
fn schemas_that_would_be_misread() {
    let cases = [
        ("3.0.3", "{type: strng}", "InvalidValue"),
        ("3.0.3", "{type: int}", "InvalidValue"),
        ("3.0.3", "{type: [string, integer]}", "InvalidValue"),
        ("3.0.3", "{type: 'null'}", "InvalidValue"),
        ("3.1.0", "{type: string, nullable: true}", "InvalidValue"),
        ("3.0.3", "{type: integer, exclusiveMinimum: 3}", "WrongShape"),
        ("3.1.0", "{type: integer, minimum: 3, exclusiveMinimum: true}", "WrongShape"),
        ("3.0.3", "{type: object, requried: [a]}", "UnknownKey"),
        ("3.1.0", "{type: object, requried: [a]}", "UnknownKey"),
        ("3.0.3", "{type: object, ourOwn: 1}", "UnknownKey"),
        ("3.0.3", "{type: object, if: {}}", "UnknownKey"),
        ("3.0.3", "{const: a}", "UnknownKey"),
        ("3.0.3", "{type: object, required: true}", "WrongShape"),
        ("3.0.3", "{type: string, enum: []}", "InvalidValue"),
        ("3.0.3", "{type: string, maxLength: -1}", "InvalidValue"),
        ("3.0.3", "{type: string, maxLength: long}", "WrongShape"),
        ("3.0.3", "{allOf: []}", "InvalidValue"),
        ("3.0.3", "{oneOf: {type: string}}", "WrongShape"),
        ("3.0.3", "true", "WrongShape"),
        ("3.0.3", "{oneOf: [{}], discriminator: {mapping: {}}}", "Missing"),
        ("3.0.3", "{oneOf: [{}], discriminator: kind}", "WrongShape"),
    ];
    for (version, schema, expect) in cases {
        let problems = faults(&with_schema(version, "response", schema, ""));
        let kinds: Vec<String> = problems.iter().map(|p| format!("{:?}", p.kind)).collect();
        assert_eq!(kinds, [expect], "{problems}\n{schema}");
    }
    contract(&with_schema("3.1.0", "response", "{type: object, ourOwn: 1, x-more: 2}", ""));
}

#[test]
fn references_within_and_across_files() {
    let sources = files(&[
        (
            "api/main.yaml",
            "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths:\n  /a/{b c}:\n    $ref: 'paths/a.yaml#/item~1one'\n  \
             /c:\n    $ref: './paths/a.yaml#/with%20space'\n",
        ),
        (
            "api/paths/a.yaml",
            "item/one:\n  parameters:\n    - $ref: '../shared.yaml#/parameters/b~0c'\n  get:\n    responses:\n      \
             '200':\n        $ref: '../shared.yaml#/responses/0'\nwith space:\n  post:\n    responses: {'204': {description: x}}\n",
        ),
        (
            "api/shared.yaml",
            "parameters:\n  b~c: {name: b c, in: path, required: true, schema: {type: string}}\nresponses:\n  - \
             {description: Ok, content: {application/json: {schema: {$ref: '#/schemas/Tree'}}}}\nschemas:\n  Tree:\n    \
             type: object\n    properties: {up: {$ref: '#/schemas/Tree'}, root: {$ref: 'shared.yaml#/schemas/Tree'}}\n",
        ),
    ]);
    let contract = Contract::parse("api/main.yaml", &sources).unwrap_or_else(|problems| panic!("{problems}"));
    let operations: Vec<String> = contract.operations().iter().map(|o| o.key().to_string()).collect();
    assert_eq!(operations, ["GET /a/{b c}", "POST /c"]);
    assert_eq!(
        contract.files().iter().collect::<Vec<_>>(),
        ["api/main.yaml", "api/paths/a.yaml", "api/shared.yaml"]
    );
    assert_eq!(contract.operations()[0].place.to_string(), "api/paths/a.yaml:4:3");
}

#[test]
fn references_that_cannot_be_followed() {
    let cases = [
        ("https://example.com/a.yaml#/A", ProblemKind::RemoteReference),
        ("//example.com/a.yaml", ProblemKind::RemoteReference),
        ("missing.yaml#/A", ProblemKind::Unreadable),
        ("../outside.yaml", ProblemKind::BrokenReference),
        ("#/components/schemas/None", ProblemKind::BrokenReference),
        ("#Name", ProblemKind::BrokenReference),
        ("#/openapi/x", ProblemKind::BrokenReference),
        ("#/components/schemas/Loop", ProblemKind::BrokenReference),
        ("#/openapi", ProblemKind::WrongShape),
    ];
    let components = "Loop: {$ref: '#/components/schemas/Pool'}\nPool: {$ref: '#/components/schemas/Loop'}\n";
    for (reference, kind) in cases {
        let components = if reference.ends_with("Loop") { components } else { "Other: {}" };
        let schema = format!("{{$ref: '{reference}'}}");
        let problems = faults(&with_schema("3.0.3", "response", &schema, components));
        assert!(problems.iter().all(|p| p.kind == kind), "{reference}\n{problems}");
    }
}

#[test]
fn faults_in_other_files_are_placed_there() {
    let sources = files(&[
        ("a.yaml", "openapi: 3.0.3\ninfo: {title: T, version: '1'}\npaths: {/a: {$ref: b.yaml}}\n"),
        ("b.yaml", "get:\n  responses:\n    '200': {description: x, contnt: {}}\n"),
    ]);
    let problems = Contract::parse("a.yaml", &sources).expect_err("there is a fault");
    assert_eq!(
        problems.to_string(),
        "b.yaml:3:29: a response has no key `contnt`\n  hint: did you mean `content`?"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let failing = FromFn(|_: &str| Err(Unreadable::Failed("permission denied".to_owned())));
    let problems = Contract::parse("a.yaml", &failing).expect_err("nothing can be read");
    assert_eq!(
        problems.to_string(),
        "a.yaml:1:1: cannot read `a.yaml`: permission denied\n  hint: make the file readable and try again"
    );
    let problems = Contract::parse("a.yaml", &files(&[])).expect_err("nothing is there");
    assert_eq!(problems.iter().next().map(|p| p.kind), Some(ProblemKind::Unreadable));
}

#[test]
fn components_nobody_uses_are_read_all_the_same() {
    let unused = "components:\n  schemas: {A: {type: strng}}\n  responses: {B: {contnt: {}}}\n  parameters: {C: {name: c}}\n";
    check(
        &format!("openapi: 3.0.3\n{INFO}paths: {{}}\n{unused}"),
        &["5:23 InvalidValue", "6:19 UnknownKey", "7:19 Missing"],
    );
}

#[test]
fn anchors_and_merge_keys() {
    let text = with_paths(
        "3.0.3",
        "/a: {get: {responses: &done {'204': &d {description: Done}}}}\n\
         /b: {get: {responses: {<<: *done, '404': *d}}}\n",
    );
    let contract = contract(&text);
    let statuses: Vec<String> = contract.operations()[1].responses.keys().map(ToString::to_string).collect();
    assert_eq!(statuses, ["204", "404"]);
}

#[test]
fn bombs_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
    }
    let kinds: Vec<ProblemKind> = faults(&text).iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [ProblemKind::TooLarge]);
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(faults(&deep).iter().next().map(|p| p.kind), Some(ProblemKind::TooLarge));
}

/// Two thousand components, each leading to the next, and the last to `end`.
fn chain(end: &str) -> String {
    let mut chain = String::new();
    for link in 0..2000 {
        chain.push_str(&format!(
            "S{link}: {{properties: {{next: {{$ref: '#/components/schemas/S{}'}}}}}}\n",
            link + 1
        ));
    }
    chain.push_str(&format!("S2000: {end}\n"));
    with_schema("3.0.3", "response", "{$ref: '#/components/schemas/S0'}", &chain)
}

#[test]
fn a_long_way_down_is_not_too_far() {
    let (old, new) = (contract(&chain("{type: string}")), contract(&chain("{type: integer}")));
    assert_ne!(old.digest(), new.digest());
    assert_eq!(compare(&old, &new).len(), 1);
    // In a circle, what is on the far side counts too.
    let round = |kind: &str| {
        let schemas = "A: {properties: {b: {$ref: '#/components/schemas/B'}, x: {type: string}}}\n\
                       B: {properties: {c: {$ref: '#/components/schemas/C'}, y: {type: string}}}\n\
                       C: {properties: {a: {$ref: '#/components/schemas/A'}, z: {type: KIND}}}\n";
        let root = "{$ref: '#/components/schemas/A'}";
        contract(&with_schema("3.0.3", "response", root, &schemas.replace("KIND", kind)))
    };
    assert_ne!(round("string").digest(), round("integer").digest());
    assert_eq!(compare(&round("string"), &round("integer")).len(), 1);
}

#[test]
fn the_digest_is_of_what_is_meant() {
    let base = with_schema(
        "3.0.3",
        "response",
        "{type: object, required: [a, b], properties: {a: {type: string}, b: {}}}",
        "",
    );
    let same = [
        // Order, words, extensions.
        with_schema(
            "3.0.3",
            "response",
            "{properties: {b: {}, a: {type: string}}, required: [b, a], type: object}",
            "",
        ),
        with_schema(
            "3.0.3",
            "response",
            "{title: T, description: D, example: {}, x-y: z, type: object, required: [a, b], properties: {a: {type: string, description: A}, b: {}}}",
            "",
        ),
        // In a component, under any name, beside others.
        with_schema(
            "3.0.3",
            "response",
            "{$ref: '#/components/schemas/Any'}",
            "Any: {type: object, required: [a, b], properties: {a: {$ref: '#/components/schemas/Text'}, b: {}}}\n\
             Text: {type: string}\nUnused: {type: integer}",
        ),
        // In parts.
        with_schema(
            "3.0.3",
            "response",
            "{allOf: [{type: object, required: [a], properties: {a: {type: string}}}, {required: [b], properties: {b: {}}}]}",
            "",
        ),
        with_schema(
            "3.1.0",
            "response",
            "{type: object, required: [a, b], properties: {a: {type: string}, b: true}}",
            "",
        ),
    ];
    let digest = contract(&base).digest().to_owned();
    assert_eq!(digest.len(), 64);
    for text in same {
        assert_eq!(contract(&text).digest(), digest, "{text}");
    }
    let other = [
        with_schema(
            "3.0.3",
            "response",
            "{type: object, required: [a], properties: {a: {type: string}, b: {}}}",
            "",
        ),
        with_schema(
            "3.0.3",
            "request",
            "{type: object, required: [a, b], properties: {a: {type: string}, b: {}}}",
            "",
        ),
        base.replace("version: '1'", "version: '2'"),
        base.replace("/x:", "/y:"),
        base.replace("  get:", "  get:\n      operationId: x"),
    ];
    for text in other {
        assert_ne!(contract(&text).digest(), digest, "{text}");
    }
}
