//! Stored releases of this and of earlier versions load, say what they said, and keep their address.

use fairway_model::{EdgeSpec, Release, TrafficSpec, canonical_json, traffic::Guard};

/// Loads a sample and checks that it is stored as it is read, under this address.
fn check(text: &str, digest: &str) -> Release {
    let release: Release = serde_json::from_str(text).expect("the sample loads");
    let again: Release =
        serde_json::from_slice(&canonical_json(&release)).expect("it is stored as it is read");
    assert_eq!(again, release);
    // Nothing is added to what was written: otherwise an old release would have a new address.
    let written: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(serde_json::to_value(&release).expect("JSON"), written);
    assert_eq!(release.digest().to_string(), digest);
    release
}

#[test]
fn a_release_from_before_the_edge_had_options() {
    let release = check(
        include_str!("samples/release-1.json"),
        "sha256:f590cc9a7a40af44537b9040f78bf5c6e562f28fd96a688add6364fe7ea5c32a",
    );
    assert_eq!(release.edge, EdgeSpec::default());
    let ai = &release.services["ai"];
    assert_eq!(ai.traffic, TrafficSpec::default());
    assert!(ai.routes.iter().all(|route| route.guard == Guard::default()));
}

#[test]
fn a_release_with_every_option_of_the_edge() {
    let release = check(
        include_str!("samples/release-1-edge.json"),
        "sha256:cd31f090b653172db58b81c324b96de6a377c41daf34ef01286c5563ef0bcbb0",
    );
    assert_eq!(release.edge.tls.as_ref().map(|tls| tls.certificates.len()), Some(4));
    assert_ne!(release.services["ai"].traffic, TrafficSpec::default());
    assert!(release.services["ai"].routes.iter().all(|route| route.guard.check().is_empty()));
}
