//! `cooper schema`: what a spec.json may hold.

use clap::Args;

use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;

/// Print the JSON Schema of spec.json
///
/// The schema is draft 2020-12, derived from the types that read the file. Editors use it to
/// complete and check a spec.json.
#[derive(Debug, Args)]
pub(in crate::cli) struct SchemaArgs {}

pub(in crate::cli) fn run(SchemaArgs {}: &SchemaArgs) -> Result<(), Failure> {
    let mut text = Text::default();
    text.lines(&format!("{:#}", crate::spec::schema().as_value()));
    output::data(&text)
}
