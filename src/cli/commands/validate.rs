//! `cooper validate`: recompute all that an image claims.

use clap::Args;
use serde::Serialize;

use crate::cli::GlobalArgs;
use crate::cli::args::location;
use crate::cli::args::location::{ConnectOptions, ImageLocation};
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;
use crate::cli::ui::{progress, table};
use crate::progress::Reporter;
use crate::transport::source::choose;
use crate::validate::{self, Report, Severity};

/// Check digests, sizes, diff ids, paths and links of images of any source
///
/// Prints everything that is wrong, and exits with 1 if anything is. Of several places all are
/// checked, even if one cannot be opened. PLACE is a layout, an archive, or an image in a registry;
/// `oci:DIR:NAME` and `archive:FILE:NAME` name one image of several. An archive that is a layout and
/// Docker's own at once is read as both, and both must say the same.
#[derive(Debug, Args)]
pub(in crate::cli) struct ValidateArgs {
    /// What to check
    #[arg(required = true, value_name = "PLACE")]
    places: Vec<ImageLocation>,
    #[command(flatten)]
    reach: ConnectOptions,
}

/// What became of a place.
struct CheckedLocation {
    place: String,
    found: Result<Report, Failure>,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &ValidateArgs) -> Result<(), Failure> {
    let reporter = progress::reporter(global);
    let look = |place: &ImageLocation| match check(global, place, &args.reach, &*reporter) {
        Ok((place, report)) => CheckedLocation { place, found: Ok(report) },
        Err(failure) => CheckedLocation { place: place.called(), found: Err(failure) },
    };
    let looked: Vec<CheckedLocation> = args.places.iter().map(look).collect();
    match global.json {
        true => output::data(&as_json(&looked)?)?,
        false => output::data(&as_text(&looked, global.quiet))?,
    }
    Failure::all(failures(looked))
}

/// What a place is called, and what was found there.
fn check(
    global: &GlobalArgs,
    place: &ImageLocation,
    reach: &ConnectOptions,
    reporter: &dyn Reporter,
) -> Result<(String, Report), Failure> {
    let source = location::open(place, reach, reporter)?;
    let roots = match place.image() {
        Some(name) => vec![choose(&*source, Some(name))?],
        None => source.roots()?,
    };
    Ok((source.name(), validate::check(&*source, &roots, global.limits(), reporter)))
}

/// A failure for each place that could not be looked at, and one for all that was found elsewhere.
fn failures(looked: Vec<CheckedLocation>) -> Vec<Failure> {
    let is_one_of_many = looked.len() > 1;
    let (mut failures, mut errors, mut is_complete) = (Vec::new(), 0, true);
    for CheckedLocation { place, found } in looked {
        match found {
            Ok(report) => {
                let findings = report.findings.iter();
                errors += findings.filter(|found| found.severity == Severity::Error).count();
                is_complete &= report.is_complete();
            }
            Err(failure) if is_one_of_many => {
                failures.push(failure.during(format!("failed to check `{place}`")));
            }
            Err(failure) => failures.push(failure),
        }
    }
    match errors {
        _ if !is_complete => failures.push(Failure::environment("not everything could be read")),
        0 => {}
        1 => failures.push(Failure::input("1 thing is wrong")),
        count => failures.push(Failure::input(format!("{count} problems found"))),
    }
    failures
}

fn as_text(looked: &[CheckedLocation], quiet: bool) -> Text {
    let mut text = Text::default();
    for CheckedLocation { place, found } in looked {
        let Ok(report) = found else { continue };
        for finding in &report.findings {
            let severity = severity(finding.severity);
            text.line(format_args!("{severity}: {}: {}", finding.place, finding.message));
        }
        for image in report.images.iter().filter(|_| !quiet && report.is_good()) {
            let name = image.names.first().unwrap_or(place);
            text.line(format_args!(
                "{name} is whole: {}, {}, {} layers, {} in blobs, {} as tars",
                image.platform,
                image.digest,
                image.layers,
                table::bytes(image.blob_size),
                table::bytes(image.tar_size)
            ));
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
    /// Why there is nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl<'a> Validated<'a> {
    fn new(CheckedLocation { place, found }: &'a CheckedLocation) -> Self {
        match found {
            Ok(report) => Self {
                place,
                good: report.is_good(),
                images: report.images.iter().map(Image::new).collect(),
                findings: report.findings.iter().map(Finding::new).collect(),
                error: None,
            },
            Err(failure) => Self {
                place,
                good: false,
                images: Vec::new(),
                findings: Vec::new(),
                error: Some(failure.to_string()),
            },
        }
    }
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

impl<'a> Image<'a> {
    fn new(image: &'a validate::ImageReport) -> Self {
        Self {
            names: &image.names,
            digest: image.digest.to_string(),
            platform: image.platform.to_string(),
            layers: image.layers,
            blob_size: image.blob_size,
            tar_size: image.tar_size,
        }
    }
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'a str,
    place: &'a str,
    message: &'a str,
}

impl<'a> Finding<'a> {
    fn new(finding: &'a validate::Finding) -> Self {
        let severity = severity(finding.severity);
        Self { severity, place: &finding.place, message: &finding.message }
    }
}

fn as_json(looked: &[CheckedLocation]) -> Result<Text, Failure> {
    output::json(&looked.iter().map(Validated::new).collect::<Vec<_>>())
}
