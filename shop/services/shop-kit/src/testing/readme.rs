//! A service's README against what the service really reads.

use crate::settings::Environment;

/// Variables that every service program reads itself.
const OF_EVERY_PROGRAM: [(&str, &str); 3] =
    [("{}_LOG_LEVEL", "info"), ("{}_METRICS_ADDR", ""), ("SERVICE_VERSION", "")];

/// Checks the table of variables in a README (rows like ``| `NAME` | `default` | meaning |``): every variable that
/// the settings were read from is there with its default, and nothing else is.
///
/// # Panics
/// With what is missing, wrong or too much; the test is over then.
pub fn check_readme(prefix: &str, readme: &str, read: &Environment) {
    let mut expected: Vec<(String, String)> =
        read.asked().into_iter().map(|a| (a.name, a.default.unwrap_or_default())).collect();
    for (name, default) in OF_EVERY_PROGRAM {
        let name = name.replace("{}", prefix);
        if !expected.iter().any(|(known, _)| *known == name) {
            expected.push((name, default.to_owned()));
        }
    }
    let mut documented: Vec<(String, String)> = readme
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`').to_owned();
            let default = cells.next()?.trim().trim_matches('`');
            let named_like_a_variable =
                name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            named_like_a_variable.then(|| (name, default.replace('–', "")))
        })
        .collect();
    expected.sort();
    documented.sort();
    let missing: Vec<_> = expected.iter().filter(|row| !documented.contains(row)).collect();
    let too_much: Vec<_> = documented.iter().filter(|row| !expected.contains(row)).collect();
    assert!(
        missing.is_empty() && too_much.is_empty(),
        "the README lacks {missing:?} and has {too_much:?}, which is not read"
    );
}
