//! The help texts of all commands.

use std::fmt::Write as _;

use crate::support::command::TestDir;

/// Returns the subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = list.map_while(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// The snapshot is reviewed when it changes; `INSTA_UPDATE=always cargo test --test it help`
/// accepts it.
#[test]
fn help_of_every_command() {
    let test_dir = TestDir::new();
    let (mut text, mut open) = (String::new(), vec![Vec::new()]);
    while let Some(command) = open.pop() {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let help = test_dir.stdout_of(&args);
        for name in subcommands(&help).into_iter().rev() {
            open.push([&command[..], &[name]].concat());
        }
        writeln!(text, "===== cooper {}\n{help}", args.join(" ")).unwrap();
    }
    insta::assert_snapshot!(text);
}
