//! `cooper completions`: what a shell needs to complete verbs and options.

use clap::{Args, CommandFactory};

use crate::cli::Cli;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;

/// Print a shell's completions
///
/// For example: cooper completions bash > ~/.local/share/bash-completion/completions/cooper
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

pub(in crate::cli) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cooper", &mut bytes);
    output::raw(&bytes)
}
