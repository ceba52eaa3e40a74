//! `cooper schema`: what a spec.json may hold.

use clap::Args;

use super::failure::Failure;
use super::output::{self, Text};

/// Print the JSON Schema of spec.json
///
/// Draft 2020-12, derived from the types that read the file. Editors complete and check a
/// spec.json that they are told it for.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

pub(super) fn run(SchemaArgs {}: &SchemaArgs) -> Result<(), Failure> {
    let mut text = Text::default();
    text.lines(&format!("{:#}", crate::spec::schema().as_value()));
    output::data(&text)
}
