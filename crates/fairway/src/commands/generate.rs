//! `fairway completions`, and what the reference is generated from.

use crate::{
    args::{Arguments, Generated},
    settings::print,
};
use clap::CommandFactory;
use fairway_delivery::exit;
use std::fmt::Write;

pub(super) fn completions(shell: clap_complete::Shell) -> u8 {
    clap_complete::generate(shell, &mut Arguments::command(), "fairway", &mut std::io::stdout());
    exit::DONE
}

pub(super) fn run(what: Generated) -> u8 {
    match what {
        Generated::Schema => {
            print([serde_json::to_string_pretty(&fairway_manifest::schema()).unwrap_or_default()])
        }
        Generated::Cli => print([reference()]),
        Generated::ContractRules => print([contract_rules()]),
    }
    exit::DONE
}

fn reference() -> String {
    let mut command = Arguments::command().term_width(100);
    command.build();
    let mut text = "# Command line\n\nGenerated from the program (`cargo xtask generate`).\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n".to_owned();
    for (code, meaning) in exit::ALL {
        let _ = writeln!(text, "| {code} | {meaning} |");
    }
    section(&command, "fairway", &mut text);
    text.trim_end().to_owned()
}

fn section(command: &clap::Command, name: &str, text: &mut String) {
    // The values of variables belong to whoever generates, not to the reference.
    let mut shown = command.clone().term_width(100).mut_args(|argument| argument.hide_env_values(true));
    let help: Vec<String> =
        shown.render_long_help().to_string().lines().map(|line| line.trim_end().to_owned()).collect();
    let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        section(sub, &format!("{name} {}", sub.get_name()), text);
    }
}

fn contract_rules() -> String {
    let head = "# Rules of contract comparison\n\nGenerated from the program (`cargo xtask generate`). `fairway contract diff` names the rule of each finding.\n";
    format!("{head}\n{}", fairway_contract::Rule::markdown().trim_end())
}
