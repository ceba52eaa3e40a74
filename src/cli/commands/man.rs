//! `cooper man`: manual pages, made of what `--help` shows.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};

use crate::cli::Cli;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::fs;
use crate::fs::{Context, FileOp};

/// Print the manual page, or write the pages of all commands
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// Directory for the pages of all commands, `cooper.1`, `cooper-build.1` and so on; for example
    /// `share/man/man1`
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(in crate::cli) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.dir else {
        return output::raw(&page(command)?);
    };
    std::fs::create_dir_all(dir).context(FileOp::CreateDir, dir)?;
    for (name, bytes) in pages(&command)? {
        fs::write_atomically(&dir.join(name), &bytes)?;
    }
    Ok(())
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).render(&mut bytes).map_err(Failure::bug)?;
    Ok(bytes)
}

/// The pages of a command and of all below it, by file name.
fn pages(command: &Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut pages = Vec::new();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        pages.append(&mut self::pages(verb)?);
    }
    // Once built, a verb is called `cooper-build` here.
    let name = command.get_display_name().unwrap_or(command.get_name());
    pages.push((format!("{name}.1"), page(command.clone())?));
    Ok(pages)
}
