//! Every rule about schemas, in both directions.

use crate::common::{check_documents, with_schema};

/// The rules that a change of schema leads to, in a request and in a response.
#[track_caller]
fn check(old: &str, new: &str, request: &[&str], response: &[&str]) {
    for (direction, expect) in [("request", request), ("response", response)] {
        let (old, new) = (with_schema("3.0.3", direction, old, ""), with_schema("3.0.3", direction, new, ""));
        check_documents(&old, &new, expect);
    }
}

#[track_caller]
fn check_31(old: &str, new: &str, request: &[&str], response: &[&str]) {
    for (direction, expect) in [("request", request), ("response", response)] {
        let (old, new) = (with_schema("3.1.0", direction, old, ""), with_schema("3.1.0", direction, new, ""));
        check_documents(&old, &new, expect);
    }
}

const NOTHING: &[&str] = &[];

#[test]
fn types() {
    check(
        "{type: string}",
        "{type: integer}",
        &["breaking request-type-changed"],
        &["breaking response-type-changed"],
    );
    check(
        "{type: number}",
        "{type: integer}",
        &["breaking request-type-narrowed"],
        &["compatible response-type-narrowed"],
    );
    check(
        "{type: integer}",
        "{type: number}",
        &["compatible request-type-widened"],
        &["breaking response-type-widened"],
    );
    check("{type: string}", "{}", &["compatible request-type-widened"], &["breaking response-type-widened"]);
    check(
        "{}",
        "{type: string}",
        &["breaking request-type-narrowed"],
        &["compatible response-type-narrowed"],
    );
    check_31(
        "{type: [string, integer]}",
        "{type: [integer, boolean]}",
        &["breaking request-type-changed"],
        &["breaking response-type-changed"],
    );
    check_31("{type: [string, integer]}", "{type: [integer, string]}", NOTHING, NOTHING);
    check("{type: integer}", "{type: integer, description: A number}", NOTHING, NOTHING);
    // A schema that lists properties is an object, said or unsaid.
    check(
        "{properties: {a: {type: string}}}",
        "{type: object, properties: {a: {type: string}}}",
        NOTHING,
        NOTHING,
    );
    check("{items: {type: string}}", "{type: array, items: {type: string}}", NOTHING, NOTHING);
}

#[test]
fn nullability() {
    check(
        "{type: string}",
        "{type: string, nullable: true}",
        &["compatible request-became-nullable"],
        &["breaking response-became-nullable"],
    );
    check(
        "{type: string, nullable: true}",
        "{type: string}",
        &["breaking request-became-not-nullable"],
        &["compatible response-became-not-nullable"],
    );
    check_31(
        "{type: [string, 'null']}",
        "{type: string}",
        &["breaking request-became-not-nullable"],
        &["compatible response-became-not-nullable"],
    );
    check_31("{type: [string, 'null']}", "{type: [string, null]}", NOTHING, NOTHING);
    check_31("{type: [string, 'null']}", "{oneOf: [{type: string}, {type: 'null'}]}", NOTHING, NOTHING);
    check_31("{type: [string, 'null']}", "{anyOf: [{type: 'null'}, {type: string}]}", NOTHING, NOTHING);
    check("{type: string, nullable: true}", "{nullable: true, allOf: [{type: string}]}", NOTHING, NOTHING);
}

#[test]
fn enums() {
    check(
        "{type: string, enum: [a, b]}",
        "{type: string, enum: [a]}",
        &["breaking request-enum-narrowed"],
        &["compatible response-enum-narrowed"],
    );
    check(
        "{type: string, enum: [a]}",
        "{type: string, enum: [a, b]}",
        &["compatible request-enum-widened"],
        &["breaking response-enum-widened"],
    );
    check(
        "{type: string, enum: [a]}",
        "{type: string, enum: [b]}",
        &["breaking request-enum-narrowed", "compatible request-enum-widened"],
        &["compatible response-enum-narrowed", "breaking response-enum-widened"],
    );
    check(
        "{type: string}",
        "{type: string, enum: [a]}",
        &["breaking request-enum-narrowed"],
        &["compatible response-enum-narrowed"],
    );
    check(
        "{type: string, enum: [a]}",
        "{type: string}",
        &["compatible request-enum-widened"],
        &["breaking response-enum-widened"],
    );
    check("{type: string, enum: [a, b]}", "{enum: [b, a]}", NOTHING, NOTHING);
    check("{type: integer, enum: [1, 2]}", "{type: integer, enum: [2.0, 1]}", NOTHING, NOTHING);
    check_31("{type: string, enum: [a]}", "{const: a}", NOTHING, NOTHING);
    check_31("{const: a}", "{const: a, type: string}", NOTHING, NOTHING);
}

#[test]
fn formats() {
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("", "uuid", &["breaking request-format-narrowed"], &["compatible response-format-narrowed"]),
        ("uuid", "", &["compatible request-format-widened"], &["breaking response-format-widened"]),
        ("date", "date-time", &["breaking request-format-changed"], &["breaking response-format-changed"]),
        ("", "phone", &["unknown request-format-narrowed"], &["unknown response-format-narrowed"]),
        ("phone", "", &["unknown request-format-widened"], &["unknown response-format-widened"]),
        ("phone", "uuid", &["unknown request-format-changed"], &["unknown response-format-changed"]),
        ("", "password", NOTHING, NOTHING),
    ];
    for (old, new, request, response) in cases {
        let schema = |format: &str| match format {
            "" => "{type: string}".to_owned(),
            format => format!("{{type: string, format: {format}}}"),
        };
        check(&schema(old), &schema(new), request, response);
    }
    check(
        "{type: integer, format: int32}",
        "{type: integer, format: int64}",
        &["compatible request-format-widened"],
        &["breaking response-format-widened"],
    );
    check(
        "{type: number, format: double}",
        "{type: number, format: float}",
        &["breaking request-format-narrowed"],
        &["compatible response-format-narrowed"],
    );
    check(
        "{type: integer}",
        "{type: integer, format: int64}",
        &["unknown request-format-narrowed"],
        &["unknown response-format-narrowed"],
    );
}

#[test]
fn limits() {
    let tighter: (&[&str], &[&str]) =
        (&["breaking request-limit-tightened"], &["compatible response-limit-tightened"]);
    let looser: (&[&str], &[&str]) =
        (&["compatible request-limit-loosened"], &["breaking response-limit-loosened"]);
    let pairs = [
        // Loose, then tight.
        ("{type: integer, minimum: 1}", "{type: integer, minimum: 2}"),
        ("{type: integer}", "{type: integer, minimum: 0}"),
        ("{type: integer, maximum: 2}", "{type: integer, maximum: 1}"),
        ("{type: integer, minimum: 1}", "{type: integer, minimum: 1, exclusiveMinimum: true}"),
        ("{type: integer, maximum: 9}", "{type: integer, maximum: 9, exclusiveMaximum: true}"),
        ("{type: string, maxLength: 10}", "{type: string, maxLength: 9}"),
        ("{type: string}", "{type: string, minLength: 1}"),
        ("{type: array, items: {}, maxItems: 10}", "{type: array, items: {}, maxItems: 9}"),
        ("{type: array, items: {}, minItems: 1}", "{type: array, items: {}, minItems: 2}"),
        ("{type: object, maxProperties: 10}", "{type: object, maxProperties: 9}"),
        ("{type: object, minProperties: 1}", "{type: object, minProperties: 2}"),
        ("{type: array, items: {}}", "{type: array, items: {}, uniqueItems: true}"),
        ("{type: integer, multipleOf: 2}", "{type: integer, multipleOf: 4}"),
        ("{type: integer}", "{type: integer, multipleOf: 4}"),
    ];
    for (loose, tight) in pairs {
        check(loose, tight, tighter.0, tighter.1);
        check(tight, loose, looser.0, looser.1);
    }
    check(
        "{type: integer, multipleOf: 2}",
        "{type: integer, multipleOf: 3}",
        &["unknown request-limit-changed"],
        &["unknown response-limit-changed"],
    );
    check("{type: string}", "{type: string, minLength: 0}", NOTHING, NOTHING);
    check("{type: integer, minimum: 1}", "{type: integer, minimum: 1.0}", NOTHING, NOTHING);
    check_31(
        "{type: integer, minimum: 0, exclusiveMinimum: 3}",
        "{type: integer, exclusiveMinimum: 3}",
        NOTHING,
        NOTHING,
    );
}

#[test]
fn patterns() {
    check(
        "{type: string}",
        "{type: string, pattern: '^a'}",
        &["breaking request-pattern-added"],
        &["compatible response-pattern-added"],
    );
    check(
        "{type: string, pattern: '^a'}",
        "{type: string}",
        &["compatible request-pattern-removed"],
        &["breaking response-pattern-removed"],
    );
    check(
        "{type: string, pattern: '^a'}",
        "{type: string, pattern: '^b'}",
        &["unknown request-pattern-changed"],
        &["unknown response-pattern-changed"],
    );
}

#[test]
fn properties() {
    check(
        "{type: object}",
        "{type: object, properties: {a: {type: string}}}",
        &["compatible request-property-added-optional"],
        &["compatible response-property-added"],
    );
    check(
        "{type: object}",
        "{type: object, required: [a], properties: {a: {type: string}}}",
        &["breaking request-property-added-required"],
        &["compatible response-property-added"],
    );
    check(
        "{type: object, properties: {a: {type: string}}}",
        "{type: object}",
        &["unknown request-property-removed"],
        &["breaking response-optional-property-removed"],
    );
    check(
        "{type: object, required: [a], properties: {a: {type: string}}}",
        "{type: object}",
        &["unknown request-property-removed"],
        &["breaking response-property-removed"],
    );
    check(
        "{type: object, properties: {a: {type: string}}}",
        "{type: object, required: [a], properties: {a: {type: string}}}",
        &["breaking request-property-became-required"],
        &["compatible response-property-became-required"],
    );
    check(
        "{type: object, required: [a], properties: {a: {type: string}}}",
        "{type: object, properties: {a: {type: string}}}",
        &["compatible request-property-became-optional"],
        &["breaking response-property-became-optional"],
    );
    check(
        "{type: object, additionalProperties: false, properties: {a: {}, b: {}}}",
        "{type: object, additionalProperties: false, properties: {a: {}}}",
        &["breaking request-property-removed"],
        &["breaking response-optional-property-removed"],
    );
    check(
        "{type: object, additionalProperties: false, properties: {a: {}}}",
        "{type: object, additionalProperties: false, properties: {a: {}, b: {}}}",
        &["compatible request-property-added-optional"],
        &["breaking response-property-added"],
    );
}

#[test]
fn other_properties() {
    check(
        "{type: object}",
        "{type: object, additionalProperties: false}",
        &["breaking request-additional-properties-forbidden"],
        &["compatible response-additional-properties-forbidden"],
    );
    check(
        "{type: object, additionalProperties: false}",
        "{type: object, additionalProperties: true}",
        &["compatible request-additional-properties-allowed"],
        &["breaking response-additional-properties-allowed"],
    );
    check(
        "{type: object, additionalProperties: {type: integer}}",
        "{type: object, additionalProperties: {type: number}}",
        &["compatible request-type-widened"],
        &["breaking response-type-widened"],
    );
    check("{type: object, additionalProperties: {}}", "{type: object}", NOTHING, NOTHING);
    // A name that was possible in the map already, with values of another type.
    check(
        "{type: object, additionalProperties: {type: integer}}",
        "{type: object, additionalProperties: {type: integer}, properties: {a: {type: string}}}",
        &["compatible request-property-added-optional", "breaking request-type-changed"],
        &["compatible response-property-added", "breaking response-type-changed"],
    );
}

#[test]
fn direction_of_properties() {
    // What only comes back cannot be missed in a request, and the other way round.
    check(
        "{type: object, properties: {a: {type: string, readOnly: true}}}",
        "{type: object, properties: {a: {type: integer, readOnly: true}}}",
        NOTHING,
        &["breaking response-type-changed"],
    );
    check(
        "{type: object, properties: {a: {type: string, writeOnly: true}}}",
        "{type: object, required: [a], properties: {a: {type: string, writeOnly: true}}}",
        &["breaking request-property-became-required"],
        NOTHING,
    );
    check(
        "{type: object, properties: {a: {type: string}}}",
        "{type: object, properties: {a: {type: string, readOnly: true}}}",
        &["unknown request-property-removed"],
        NOTHING,
    );
    check(
        "{type: object, properties: {a: {type: string}}}",
        "{type: object, properties: {a: {type: string, writeOnly: true}}}",
        NOTHING,
        &["breaking response-optional-property-removed"],
    );
}

#[test]
fn parts_are_compared_wherever_they_are() {
    check(
        "{type: array, items: {type: object, properties: {a: {type: array, items: {type: string}}}}}",
        "{type: array, items: {type: object, properties: {a: {type: array, items: {type: integer}}}}}",
        &["breaking request-type-changed"],
        &["breaking response-type-changed"],
    );
}

#[test]
fn defaults_and_deprecation() {
    check(
        "{type: string}",
        "{type: string, default: a}",
        &["unknown request-default-changed"],
        &["compatible response-default-changed"],
    );
    check(
        "{type: string}",
        "{type: string, deprecated: true}",
        &["compatible deprecated"],
        &["compatible deprecated"],
    );
    check(
        "{type: string, deprecated: true}",
        "{type: string}",
        &["compatible deprecation-withdrawn"],
        &["compatible deprecation-withdrawn"],
    );
}

#[test]
fn all_of_is_merged() {
    check(
        "{allOf: [{type: object, properties: {a: {type: string}}}, {type: object, required: [a]}]}",
        "{type: object, required: [a], properties: {a: {type: string}}}",
        NOTHING,
        NOTHING,
    );
    check(
        "{allOf: [{type: integer, minimum: 1}, {maximum: 9}, {minimum: 3}]}",
        "{type: integer, minimum: 3, maximum: 9}",
        NOTHING,
        NOTHING,
    );
    check(
        "{allOf: [{properties: {a: {type: string}}}, {properties: {a: {maxLength: 3}}}]}",
        "{properties: {a: {type: string, maxLength: 4}}}",
        &["compatible request-limit-loosened"],
        &["breaking response-limit-loosened"],
    );
    check(
        "{allOf: [{type: object, properties: {a: {type: string}}}]}",
        "{allOf: [{type: object, properties: {a: {type: string}}}, {required: [b], properties: {b: {type: string}}}]}",
        &["breaking request-property-added-required"],
        &["compatible response-property-added"],
    );
    // A closed part forbids what the other part adds.
    check(
        "{allOf: [{type: object, additionalProperties: false, properties: {a: {}}}, {properties: {b: {}}}]}",
        "{type: object, additionalProperties: false, properties: {a: {}, b: {not: {}}}}",
        &["compatible request-type-widened"],
        &["breaking response-type-widened"],
    );
}

#[test]
fn variants() {
    let object = |kind: &str| {
        format!("{{type: object, required: [kind], properties: {{kind: {{type: string, enum: [{kind}]}}}}}}")
    };
    let (cat, dog, bird) = (object("cat"), object("dog"), object("bird"));
    check(
        &format!("{{oneOf: [{cat}, {dog}]}}"),
        &format!("{{oneOf: [{bird}, {dog}, {cat}]}}"),
        &["compatible request-variant-added"],
        &["breaking response-variant-added"],
    );
    check(
        &format!("{{oneOf: [{cat}, {dog}, {bird}]}}"),
        &format!("{{oneOf: [{cat}, {dog}]}}"),
        &["breaking request-variant-removed"],
        &["compatible response-variant-removed"],
    );
    check(&format!("{{oneOf: [{cat}, {dog}]}}"), &format!("{{oneOf: [{dog}, {cat}]}}"), NOTHING, NOTHING);
    check(&format!("{{oneOf: [{cat}]}}"), &cat, NOTHING, NOTHING);
    check(
        &cat,
        &format!("{{oneOf: [{cat}, {dog}]}}"),
        &["compatible request-variant-added"],
        &["breaking response-variant-added"],
    );
    check(
        &format!("{{oneOf: [{cat}, {dog}]}}"),
        &cat,
        &["breaking request-variant-removed"],
        &["compatible response-variant-removed"],
    );
    // Branches that may overlap decide nothing.
    check(
        "{oneOf: [{type: string}, {type: string, maxLength: 3}]}",
        "{oneOf: [{type: string}, {type: string, maxLength: 3}, {type: string, maxLength: 9}]}",
        &["unknown request-variant-added"],
        &["breaking response-variant-added"],
    );
    check(
        "{oneOf: [{type: string}, {type: string, maxLength: 3}, {type: string, maxLength: 9}]}",
        "{oneOf: [{type: string}, {type: string, maxLength: 3}]}",
        &["unknown request-variant-removed"],
        &["unknown response-variant-removed"],
    );
    check(
        "{anyOf: [{type: string, maxLength: 3}, {type: string, pattern: a}]}",
        "{anyOf: [{type: string, maxLength: 4}, {type: string, pattern: a}]}",
        &["unknown request-limit-loosened"],
        &["unknown response-limit-loosened"],
    );
    // Disjoint by type: the change in one branch counts.
    check(
        "{oneOf: [{type: string, maxLength: 3}, {type: integer}]}",
        "{oneOf: [{type: string, maxLength: 2}, {type: integer}]}",
        &["breaking request-limit-tightened"],
        &["compatible response-limit-tightened"],
    );
    check(
        "{oneOf: [{type: string}, {type: integer}]}",
        "{anyOf: [{type: string}, {type: integer}]}",
        &["unknown variants-rearranged", "unknown variants-rearranged"],
        &["unknown variants-rearranged", "unknown variants-rearranged"],
    );
}

#[test]
fn what_is_only_compared_for_equality() {
    let unknown = |rule: &'static str| -> Vec<&'static str> { vec![rule] };
    let not = unknown("unknown not-changed");
    check("{type: string}", "{type: string, not: {enum: [a]}}", &not, &not);
    check(
        "{type: string, not: {enum: [a]}}",
        "{type: string, not: {type: string, enum: [a]}}",
        NOTHING,
        NOTHING,
    );
    let keyword = unknown("unknown schema-keyword-changed");
    check("{type: string}", "{type: string, xml: {name: a}}", &keyword, &keyword);
    check_31("{type: array}", "{type: array, prefixItems: [{type: string}]}", &keyword, &keyword);
    check_31(
        "{type: object, if: {required: [a]}, then: {required: [b]}}",
        "{type: object, if: {required: [a]}, then: {required: [c]}}",
        &keyword,
        &keyword,
    );
    check_31("{type: string}", "{type: string, contentEncoding: base64}", &keyword, &keyword);
    check_31("{type: string}", "{type: string, ourOwn: 1}", &keyword, &keyword);
}

#[test]
fn discriminators() {
    let components = "Cat: {type: object, required: [kind], properties: {kind: {type: string}, lives: {type: integer}}}\n\
                      Dog: {type: object, required: [kind], properties: {kind: {type: string}, tricks: {type: integer}}}\n\
                      Bird: {type: object, required: [kind], properties: {kind: {type: string}, songs: {type: integer}}}\n";
    let check = |old: &str, new: &str, request: &[&str], response: &[&str]| {
        let wrap = |schema: &str| {
            schema
                .replace("<Cat>", "{$ref: '#/components/schemas/Cat'}")
                .replace("<Dog>", "{$ref: '#/components/schemas/Dog'}")
                .replace("<Bird>", "{$ref: '#/components/schemas/Bird'}")
        };
        for (direction, expect) in [("request", request), ("response", response)] {
            let old = with_schema("3.0.3", direction, &wrap(old), components);
            let new = with_schema("3.0.3", direction, &wrap(new), components);
            check_documents(&old, &new, expect);
        }
    };
    check(
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: kind}}",
        "{oneOf: [<Cat>, <Dog>, <Bird>], discriminator: {propertyName: kind}}",
        &["compatible request-variant-added"],
        &["breaking response-variant-added"],
    );
    check(
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: kind}}",
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: sort}}",
        &["unknown discriminator-changed"],
        &["unknown discriminator-changed"],
    );
    check(
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: kind}}",
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: kind, mapping: {cat: '#/components/schemas/Cat'}}}",
        &["unknown discriminator-changed"],
        &["unknown discriminator-changed"],
    );
    check(
        "{oneOf: [<Cat>, <Dog>]}",
        "{oneOf: [<Cat>, <Dog>], discriminator: {propertyName: kind}}",
        &["unknown discriminator-changed"],
        &["unknown discriminator-changed"],
    );
}

#[test]
fn recursion_ends() {
    let tree = |leaf: &str| {
        format!(
            "Tree: {{type: object, properties: {{value: {{type: {leaf}}}, children: {{type: array, items: {{$ref: '#/components/schemas/Tree'}}}}}}}}"
        )
    };
    let root = "{$ref: '#/components/schemas/Tree'}";
    let document = |leaf: &str| with_schema("3.0.3", "response", root, &tree(leaf));
    check_documents(&document("string"), &document("integer"), &["breaking response-type-changed"]);
    // Unrolled once it is still the same tree.
    let unrolled = "{type: object, properties: {value: {type: string}, children: {type: array, items: {$ref: '#/components/schemas/Tree'}}}}";
    let unrolled = with_schema("3.0.3", "response", unrolled, &tree("string"));
    check_documents(&document("string"), &unrolled, NOTHING);
    assert_eq!(
        crate::common::contract(&document("string")).digest(),
        crate::common::contract(&unrolled).digest()
    );
}

#[test]
fn the_two_dialects_say_the_same() {
    let pairs = [
        ("{type: string, nullable: true}", "{type: [string, 'null']}"),
        ("{type: string, nullable: true, enum: [a, b]}", "{type: [string, 'null'], enum: [a, b, null]}"),
        ("{type: integer, minimum: 1, exclusiveMinimum: true}", "{type: integer, exclusiveMinimum: 1}"),
        ("{type: string, enum: [a]}", "{const: a}"),
        ("{nullable: true, allOf: [{type: object}]}", "{anyOf: [{type: object}, {type: 'null'}]}"),
        ("{}", "true"),
    ];
    for (v30, v31) in pairs {
        for direction in ["request", "response"] {
            let old = with_schema("3.0.3", direction, v30, "");
            let new = with_schema("3.1.0", direction, v31, "");
            check_documents(&old, &new, NOTHING);
            assert_eq!(
                crate::common::contract(&old).digest(),
                crate::common::contract(&new).digest(),
                "{v30} {v31}"
            );
        }
    }
}
