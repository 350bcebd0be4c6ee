//! A service's README has a table of its variables, which is made of the settings.

use std::path::{Path, PathBuf};

use crate::settings::Variable;

const BEGIN: &str = "<!-- settings -->\n";
const END: &str = "<!-- end of settings -->";
/// Set, the table is written instead of compared.
const UPDATE: &str = "UPDATE_README";

/// Compares the table in a package's README with the variables, or writes it when `UPDATE_README` is set.
///
/// # Panics
/// When the table is another one or has no place, or when no source mentions a variable; the test is over then.
pub fn check_readme(package: &Path, variables: &[Variable]) {
    let sources = sources(&package.join("src"));
    let words: Vec<&str> = sources.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for Variable { name, .. } in variables {
        let mentions = words.iter().filter(|word| *word == name).count();
        assert!(mentions > 1, "{name} is declared and never read");
    }
    let readme = package.join("README.md");
    let text = std::fs::read_to_string(&readme).expect("a README that can be read");
    let expected = with_table(&text, variables);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(readme, expected).expect("a README that can be written");
    } else {
        assert!(
            text == expected,
            "the table of variables in {} is not what the settings say; run the tests with {UPDATE}=1 and commit it",
            readme.display()
        );
    }
}

/// The text of every source below a directory.
fn sources(directory: &Path) -> String {
    let paths = std::fs::read_dir(directory)
        .expect("a directory of sources")
        .map(|entry| entry.expect("an entry").path());
    let text = |path: PathBuf| {
        if path.is_dir() { sources(&path) } else { std::fs::read_to_string(path).expect("a text") }
    };
    paths.map(text).collect()
}

fn with_table(text: &str, variables: &[Variable]) -> String {
    let place = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = place.expect("a place between the two markers");
    let rows: String = variables.iter().map(row).collect();
    format!("{before}{BEGIN}\n| variable | default | meaning |\n|---|---|---|\n{rows}\n{END}{after}")
}

fn row(Variable { name, default, meaning }: &Variable) -> String {
    let default = if default.is_empty() { "–".to_owned() } else { format!("`{default}`") };
    format!("| `{name}` | {default} | {meaning} |\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_between_the_markers() {
        let variables = [("A", "1s", "how long"), ("B", "", "who")]
            .map(|(name, default, meaning)| Variable { name, default, meaning });
        let expect = "a\n<!-- settings -->\n\n| variable | default | meaning |\n|---|---|---|\n| `A` | `1s` | how long |\n\
                      | `B` | – | who |\n\n<!-- end of settings -->\nb";
        assert_eq!(with_table("a\n<!-- settings -->\nold\n<!-- end of settings -->\nb", &variables), expect);
        assert_eq!(with_table(expect, &variables), expect);
    }
}
