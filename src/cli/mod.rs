//! The command line: commands, global options, exit codes.
//!
//! `commands` has one file for each command, `args` the shared arguments, and `ui` all output. Data
//! goes to standard output, everything else to standard error. Exit codes are [`exit::DONE`],
//! [`exit::INPUT`], [`exit::ENVIRONMENT`] and [`exit::BUG`].

mod args;
mod assemble;
mod base;
mod beside;
mod commands;
mod core_dump;
mod flake_history;
mod found;
#[cfg(fuzzing)]
pub mod fuzzing;
mod layers_lock;
mod looked;
mod own_file;
mod owners;
mod secrets;
mod tree;
mod ui;

use std::io::Write;
use std::process::ExitCode;

#[cfg(fuzzing)]
pub use layers_lock::is_layers_lock;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::validate::Limits;

/// The documented exit codes; a process that a signal ends leaves 128 and the signal's number.
pub mod exit {
    /// It is done.
    pub const DONE: u8 = 0;
    /// The input is wrong: a spec, an argument, an image.
    pub const INPUT: u8 = 1;
    /// The environment failed: the disk, a daemon, a registry.
    pub const ENVIRONMENT: u8 = 2;
    /// cooper is wrong.
    pub const BUG: u8 = 3;
}

/// Assembles OCI images from Nix store paths, without a daemon.
///
/// SPEC is a spec.json, or a directory or derivation output with one; `-` reads standard input.
#[derive(Debug, Parser)]
#[command(version, name = "cooper", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 the input is wrong, 2 the environment failed \
                        (disk, daemon, registry), 3 a bug in cooper, 128 + N signal N ended it.")]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    verb: CliCommand,
}

/// What every verb takes.
#[derive(Debug, Args)]
struct GlobalArgs {
    /// Print nothing but data and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Number of threads that read, hash and compress [default: number of cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print data as JSON, and progress, warnings and errors on standard error as one JSON object
    /// a line
    #[arg(long, global = true)]
    json: bool,
    /// Layer cache directory; `none` disables the cache [default: `$XDG_CACHE_HOME/cooper`]
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<std::path::PathBuf>,
    /// Maximum size of the cache, such as 500MB [default: 20GiB]
    #[arg(long, global = true, value_name = "SIZE")]
    cache_size: Option<commands::cache::Size>,
    /// Longest wait for a lock that another process holds [default: none]
    #[arg(long, global = true, value_name = "SECONDS")]
    lock_timeout: Option<u64>,
    /// Memory limit for paths and documents of images that are read (`validate`, `inspect`, base
    /// images), such as 1GiB [default: 256MiB]
    #[arg(long, global = true, value_name = "SIZE")]
    memory_limit: Option<commands::cache::Size>,
    /// Limit of the decompressed layers of such an image; 300 times its blobs' size, if that is
    /// more [default: 64GiB]
    #[arg(long, global = true, value_name = "SIZE")]
    inflate_limit: Option<commands::cache::Size>,
}

impl GlobalArgs {
    /// The rules for waits for locks: a long one is reported as a warning.
    fn lock_wait(&self) -> crate::fs::LockWait {
        let report = |message: &str| ui::progress::current().warn(message);
        let timeout = self.lock_timeout.map(std::time::Duration::from_secs);
        crate::fs::LockWait { timeout, report: Box::new(report) }
    }

    /// As many threads as were asked for, or one a core.
    fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.jobs.map_or_else(cores, usize::from)
    }

    /// The limits for reading an image.
    fn limits(&self) -> Limits {
        let mut limits = Limits::new(self.jobs());
        limits.memory = self.memory_limit.map_or(limits.memory, |size| size.0);
        limits.inflated = self.inflate_limit.map_or(limits.inflated, |size| size.0);
        limits
    }
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    Build(commands::build::BuildArgs),
    Load(commands::load::LoadArgs),
    List(commands::list::ListArgs),
    Plan(commands::plan::PlanArgs),
    Why(commands::why::WhyArgs),
    Diff(commands::diff::DiffArgs),
    Inspect(commands::inspect::InspectArgs),
    History(commands::history::HistoryArgs),
    Schema(commands::schema::SchemaArgs),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
    Simulate(commands::simulate::SimulateArgs),
    #[command(subcommand)]
    Cache(commands::cache::CacheVerb),
    #[command(subcommand)]
    Spec(commands::spec::SpecVerb),
    Push(commands::push::PushArgs),
    Copy(commands::copy::CopyArgs),
    Save(commands::copy::SaveArgs),
    Index(commands::index::IndexArgs),
    Lock(commands::lock::LockArgs),
    Fetch(commands::lock::FetchArgs),
    Validate(commands::validate::ValidateArgs),
}

/// Runs the verb that the process was called with.
pub fn main() -> ExitCode {
    core_dump::forbid();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    crate::fs::set_lock_wait(cli.global.lock_wait());
    ui::signals::install_hook(cli.global.json);
    ui::signals::install();
    ui::progress::reporter(&cli.global);
    let result = match &cli.verb {
        CliCommand::Build(args) => commands::build::run(&cli.global, args),
        CliCommand::Load(args) => commands::load::run(&cli.global, args),
        CliCommand::List(args) => commands::list::run(&cli.global, args),
        CliCommand::Plan(args) => commands::plan::run(&cli.global, args),
        CliCommand::Why(args) => commands::why::run(&cli.global, args),
        CliCommand::Diff(args) => commands::diff::run(&cli.global, args),
        CliCommand::Inspect(args) => commands::inspect::run(&cli.global, args),
        CliCommand::History(args) => commands::history::run(&cli.global, args),
        CliCommand::Schema(args) => commands::schema::run(args),
        CliCommand::Completions(args) => commands::completions::run(args),
        CliCommand::Man(args) => commands::man::run(args),
        CliCommand::Simulate(args) => commands::simulate::run(&cli.global, args),
        CliCommand::Cache(verb) => commands::cache::run(&cli.global, verb),
        CliCommand::Spec(verb) => commands::spec::run(verb),
        CliCommand::Push(args) => commands::push::run(&cli.global, args),
        CliCommand::Copy(args) => commands::copy::run(&cli.global, args),
        CliCommand::Save(args) => commands::copy::save(&cli.global, args),
        CliCommand::Index(args) => commands::index::run(&cli.global, args),
        CliCommand::Lock(args) => commands::lock::run(&cli.global, args),
        CliCommand::Fetch(args) => commands::lock::fetch(&cli.global, args),
        CliCommand::Validate(args) => commands::validate::run(&cli.global, args),
    };
    match result {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => failure.print(cli.global.json),
    }
}

fn parse() -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    // clap has colours for a dumb terminal too where `CI` is set.
    if ui::progress::is_dumb(std::env::var_os("TERM").as_deref()) {
        command = command.color(clap::ColorChoice::Never);
    }
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Help and version are data; a wrong argument is wrong input.
fn usage(mut error: clap::Error) -> ExitCode {
    let json = std::env::args_os().skip(1).take_while(|word| word != "--").any(|w| w == "--json");
    if error.kind() == clap::error::ErrorKind::InvalidUtf8 {
        return unreadable_word().print(json);
    }
    if json && error.use_stderr() {
        return wrong_words(&error).print(json);
    }
    if error.use_stderr() {
        match odd_arguments() {
            odd if odd.is_empty() => ui::output::styled(&rendered(&error)),
            odd => ui::output::notes(&without_controls(&mut error, &odd)),
        }
        return ExitCode::from(exit::INPUT);
    }
    let printed = error.print();
    match ui::output::ignore_broken_pipe(printed.and_then(|()| std::io::stdout().flush())) {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => failure.print(json),
    }
}

/// clap's text, in colours where clap has them.
fn rendered(error: &clap::Error) -> String {
    use std::io::IsTerminal;
    let text = error.render();
    let plain = ui::progress::is_dumb(std::env::var_os("TERM").as_deref())
        || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || !std::io::stderr().is_terminal();
    if plain { text.to_string() } else { text.ansi().to_string() }
}

/// The arguments with characters that a terminal could take for commands.
fn odd_arguments() -> Vec<String> {
    let all = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    all.filter(|word| word.contains(ui::output::is_control)).collect()
}

/// clap's message, which repeats arguments in several places.
fn without_controls(error: &mut clap::Error, odd: &[String]) -> ui::output::Text {
    use clap::error::ContextValue as Value;
    let escaped = |value: &Value| match value {
        Value::String(text) => Some(Value::String(ui::output::escaped(text))),
        Value::Strings(texts) => {
            Some(Value::Strings(texts.iter().map(|text| ui::output::escaped(text)).collect()))
        }
        // Suggestions, which repeat what was given.
        Value::StyledStrs(_) => Some(Value::None),
        _ => None,
    };
    let values = error.context().filter_map(|(kind, value)| Some((kind, escaped(value)?)));
    for (kind, value) in values.collect::<Vec<_>>() {
        error.insert(kind, value);
    }
    let message = error.render().to_string();
    // Rendered without colours, an argument has lost what looks like one.
    let bare = |odd: &String| clap::builder::StyledStr::from(odd.clone()).to_string();
    let message = odd.iter().fold(message, |text, odd| {
        let shown = ui::output::escaped(odd);
        text.replace(odd, &shown).replace(&bare(odd), &shown)
    });
    let mut text = ui::output::Text::default();
    text.lines(&message);
    text
}

/// clap puts a blank line between what is wrong and what to write.
fn wrong_words(error: &clap::Error) -> ui::failure::Failure {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (message, hint) = text.split_once("\n\n").unwrap_or((text, ""));
    ui::failure::Failure::input(message.trim()).hint(hint.trim())
}

/// clap does not say which argument it could not read.
fn unreadable_word() -> ui::failure::Failure {
    let words = std::env::args_os().skip(1).filter(|word| word.to_str().is_none());
    let words: Vec<String> = words.map(|word| format!("`{}`", word.display())).collect();
    let what = match words.len() {
        1 => "this argument is not UTF-8",
        _ => "one of these arguments is not UTF-8",
    };
    ui::failure::Failure::input(format!("{what}, as all but paths must be: {}", words.join(", ")))
}
