//! The JSON Schema agrees with what is accepted.

use crate::support::SHOP;
use fairway_manifest::{Manifest, config_schema, schema};

#[test]
fn the_schema_is_what_it_was() {
    insta::assert_json_snapshot!("schema", schema());
}

#[test]
fn the_schema_of_layers_is_what_it_was() {
    insta::assert_json_snapshot!("config_schema", config_schema());
}

#[test]
fn the_shop_is_accepted() {
    assert!(Manifest::parse("fairway.yaml", SHOP).is_ok());
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
