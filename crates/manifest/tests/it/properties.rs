//! What holds for any text.

use crate::support::{SHOP, parse, problems, resolve_with, shop_sources};
use fairway_manifest::{Manifest, Sources, detect, render_initial};
use proptest::prelude::*;

/// The shop with a few pieces cut out, doubled or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(String::new()),
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just("\t".to_owned()),
        Just(": ".to_owned()),
        Just("[".to_owned()),
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("- ".to_owned()),
        Just("&a ".to_owned()),
        Just("*usual".to_owned()),
        Just("<<: ".to_owned()),
        Just("${".to_owned()),
        Just("\"".to_owned()),
        Just("null".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("ü\u{feff}\u{0}".to_owned()),
        "\\PC{0,6}",
    ];
    proptest::collection::vec((0..SHOP.len(), 0..12_usize, piece), 1..5).prop_map(|edits| {
        let mut text: Vec<char> = SHOP.chars().collect();
        for (at, length, piece) in edits {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is written, there is an answer, and its places lie in the text.
    #[test]
    fn any_text_has_an_answer(text in prop_oneof![mutated(), "\\PC{0,80}", "[ \\-:\\[\\]{},&*!|>'\"%@`a\\n]{0,60}"]) {
        for problem in problems(&text, &shop_sources()) {
            prop_assert!(!problem.message.is_empty());
            if problem.line > 0 && problem.file == "fairway.yaml" {
                let lines = text.lines().count().max(1);
                prop_assert!(problem.line <= lines, "{problem}");
                prop_assert!(problem.length >= 1 && problem.column >= 1, "{problem:?}");
                let width = text.lines().nth(problem.line - 1).unwrap_or_default().chars().count();
                prop_assert!(problem.column <= width + 1, "{problem}");
            }
        }
    }

    /// The same for a layer of the configuration.
    #[test]
    fn any_layer_has_an_answer(text in prop_oneof!["\\PC{0,60}", "(all|identity|ai|[a-z]{1,5}): [ {}\\[\\]A-C:$,1\\n]{0,30}"]) {
        let mut sources = shop_sources();
        sources.insert("config/base.yaml", text.as_str());
        for problem in problems(SHOP, &sources).iter().filter(|problem| problem.file == "config/base.yaml") {
            prop_assert!(problem.line <= text.lines().count().max(1), "{problem}");
            prop_assert_eq!(problem.line == 0, problem.length == 0);
        }
    }

    /// The same text is the same release, or the same problems.
    #[test]
    fn resolving_twice_is_resolving_once(text in mutated()) {
        let once = || {
            let parsed = Manifest::parse("fairway.yaml", &text).map_err(|problems| problems.to_string())?;
            resolve_with(&parsed, "dev", &shop_sources(), &[]).map_err(|problems| problems.to_string())
        };
        prop_assert_eq!(once(), once());
    }

    /// Whatever a variable holds arrives as it is, once.
    #[test]
    fn values_arrive_as_they_are(value in "\\PC{0,40}") {
        let text = "system: a\nservices: { w: { build: { cargo: w }, run: [w], env: { MODE: \"<${MODE}>\" } } }\nenvironments: { dev: { target: local } }\n";
        let resolution = resolve_with(&parse(text), "dev", &Sources::new(), &[("DEV_MODE", &value)]).unwrap();
        let config = &resolution.release.services["w"].process().unwrap().config;
        prop_assert_eq!(config["MODE"].to_string(), format!("<{value}>"));
    }

    /// Whatever a package is called, the manifest that is written for it can be read.
    #[test]
    fn what_init_writes_can_be_read(name in "\\PC{0,20}", directory in "[a-z0-9 ._@#:'-]{1,12}") {
        let name = name.replace(['"', '\\'], "");
        let files = [
            (format!("{directory}/Cargo.toml"), format!("[package]\nname = \"{name}\"\n")),
            (format!("{directory}/src/main.rs"), String::new()),
            (format!("{directory}/migrations/1.sql"), String::new()),
            (format!("{directory}/go.mod"), format!("module {name}\n")),
            (format!("{directory}/main.go"), String::new()),
        ];
        let text = render_initial(&detect(&files.into()));
        let parsed = Manifest::parse("fairway.yaml", &text);
        prop_assert!(parsed.is_ok(), "{text}\n{}", parsed.unwrap_err());
    }
}
