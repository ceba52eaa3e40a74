//! `cooper validate`: recompute all that an image claims.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::place::{self, Place, Reach};
use super::{Global, output, progress, table};
use crate::transport::source::choose;
use crate::validate::{self, Report, Severity};

/// Check an image wherever it lies: every digest, size, diff id, path and link
///
/// Prints everything that is wrong, and exits with 1 if anything is. PLACE is a layout, an
/// archive, or an image in a registry; `oci:DIR:NAME` and `archive:FILE:NAME` name one image of
/// several. An archive that is a layout and Docker's own at once is read as both, and both must
/// say the same.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// What to check
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<Place>,
    #[command(flatten)]
    reach: Reach,
}

pub(super) fn run(global: &Global, args: &ValidateArgs) -> Result<(), Failure> {
    let reporter = progress::reporter(global);
    let mut reports = Vec::new();
    for place in &args.places {
        let source = place::open(place, &args.reach, &*reporter)?;
        let roots = match place.image() {
            Some(name) => vec![choose(&*source, Some(name)).map_err(Failure::from)?],
            None => source.roots().map_err(Failure::from)?,
        };
        reports.push((source.name(), validate::check(&*source, &roots, global.jobs(), &*reporter)));
    }
    match global.json {
        true => output::data(&as_json(&reports)?)?,
        false => output::data(&as_text(&reports, global.quiet))?,
    }
    if reports.iter().any(|(_, report)| !report.is_complete()) {
        return Err(Failure::environment("not everything could be read"));
    }
    let errors = reports.iter().flat_map(|(_, report)| &report.findings);
    match errors.filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        1 => Err(Failure::input("1 thing is wrong")),
        count => Err(Failure::input(format!("{count} things are wrong"))),
    }
}

fn as_text(reports: &[(String, Report)], quiet: bool) -> String {
    let mut text = String::new();
    for (place, report) in reports {
        for finding in &report.findings {
            let severity = severity(finding.severity);
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{severity}: {}: {}", finding.place, finding.message);
        }
        for image in report.images.iter().filter(|_| !quiet && report.is_good()) {
            let name = image.names.first().unwrap_or(place);
            let _ = writeln!(
                text,
                "{name} is whole: {}, {}, {} layers, {} in blobs, {} as tars",
                image.platform,
                image.digest,
                image.layers,
                table::bytes(image.blob_size),
                table::bytes(image.tar_size)
            );
        }
    }
    text
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "wrong",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Validated<'a> {
    place: &'a str,
    good: bool,
    images: Vec<Image<'a>>,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image<'a> {
    names: &'a [String],
    digest: String,
    platform: String,
    layers: usize,
    blob_size: u64,
    tar_size: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'a str,
    place: &'a str,
    message: &'a str,
}

fn as_json(reports: &[(String, Report)]) -> Result<String, Failure> {
    let validated = reports.iter().map(|(place, report)| Validated {
        place,
        good: report.is_good(),
        images: report
            .images
            .iter()
            .map(|image| Image {
                names: &image.names,
                digest: image.digest.to_string(),
                platform: image.platform.to_string(),
                layers: image.layers,
                blob_size: image.blob_size,
                tar_size: image.tar_size,
            })
            .collect(),
        findings: report
            .findings
            .iter()
            .map(|finding| Finding {
                severity: severity(finding.severity),
                place: &finding.place,
                message: &finding.message,
            })
            .collect(),
    });
    output::json(&validated.collect::<Vec<_>>())
}
