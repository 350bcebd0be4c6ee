//! What is wrong with the files of `config/`.

use crate::support::{SHOP, parse, shop_sources, show};
use fairway_manifest::check;

#[test]
fn everything_that_is_wrong_is_said() {
    let mut sources = shop_sources();
    sources.insert("config/base.yaml", "all: { LOG: info }\nidentiy: { A: b }\nidentity:\n  a-b: c\n  LIST: [1]\n  OPEN: ${X\n  IDENTITY_HTTP_ADDR: x\n");
    sources.insert("config/environments/dev.yaml", "ai: { A: b }\ncommerce: text\n");
    sources.insert(
        "config/environments/prod.yaml",
        "identity: { API_TOKEN: abc, OTHER_TOKEN: \"${OTHER_TOKEN}\" }\nidentity: {}\n",
    );
    sources.insert("config/environments/ci.yaml", "# nothing yet\n");
    sources.insert("config/environments/stagin.yaml", "");
    sources.insert("config/environments/dev.yml", "");
    sources.insert("config/readme.md", "not a layer");
    sources.insert("config/extra.yaml", "");
    let report = check(&parse(SHOP), &sources);
    let errors: Vec<_> =
        report.problems.into_iter().filter(|problem| problem.file != "fairway.yaml").collect();
    insta::assert_snapshot!("layers", show(&errors, &|file| sources.text(file).map(str::to_owned)));
}

#[test]
fn what_the_end_of_the_text_misses_lies_in_the_text() {
    let mut sources = shop_sources();
    sources.insert("config/base.yaml", "? 0");
    let report = check(&parse(SHOP), &sources);
    let missing = report.problems.iter().find(|problem| problem.file == "config/base.yaml").unwrap();
    assert_eq!((missing.line, missing.column, missing.length), (1, 4, 1), "{missing}");
}
