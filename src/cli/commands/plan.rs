//! `cooper plan`: which store path goes into which layer, and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::base::Base;
use crate::cli::args::spec_input;
use crate::cli::layers_lock;
use crate::cli::layers_lock::LayersLock;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output;
use crate::cli::ui::output::Text;
use crate::cli::ui::{progress, table};
use crate::cli::{GlobalArgs, assemble, base};
use crate::closure::Closure;
use crate::image;
use crate::plan::{self, ImagePlan, PlanError, PlannedLayer};
use crate::spec::{Layering, Spec};
use crate::store_path::StorePath;

/// The largest graphs are a few megabytes an image.
pub(in crate::cli) const GRAPH_LIMIT: u64 = 1 << 30;

/// Show which store path goes into which layer, and why
#[derive(Debug, Args)]
pub(in crate::cli) struct PlanArgs {
    /// SPEC of an image
    #[arg(value_name = "SPEC", required_unless_present = "closure")]
    specs: Vec<PathBuf>,
    /// Plan a references graph, or `{"images": {NAME: GRAPH}}`, and print `{"layers": …}`; `-`
    /// reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "specs")]
    closure: Option<PathBuf>,
    /// Maximum number of layers, including the base image's and the own-files layer; with
    /// `--closure` of store paths alone [default: the spec's; 60 with `--closure`]
    #[arg(long, value_name = "N")]
    max_layers: Option<u32>,
    /// Layer lock to use instead of the spec's `layering.lock`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["closure", "repack"])]
    lock: Option<PathBuf>,
    /// Ignore the lock and plan from scratch
    #[arg(long, conflicts_with = "closure")]
    repack: bool,
    /// Write the layer lock, keeping entries of other images; `-` prints it instead of the plan
    #[arg(long, value_name = "FILE", conflicts_with = "closure", num_args = 0..=1,
          require_equals = true, default_missing_value = "layers.lock.json")]
    write_lock: Option<PathBuf>,
}

pub(in crate::cli) fn run(global: &GlobalArgs, args: &PlanArgs) -> Result<(), Failure> {
    if let Some(path) = &args.closure {
        let bytes = spec_input::bytes(path, GRAPH_LIMIT)?;
        let max_layers = args.max_layers.unwrap_or(Layering::default().max_layers);
        let planned = bare(&bytes, max_layers, &spec_input::called(path));
        return output::data(&planned.map_err(|failure| named(failure, args))?);
    }
    let kept = args.lock.as_deref().map(LayersLock::read).transpose()?;
    let mut plans = Vec::new();
    let specs = spec_input::read_specs(&args.specs)?;
    let reporter = progress::reporter(global);
    spec_input::warn_unknown_packages(&specs, &*reporter);
    for mut spec in specs {
        spec.layering.max_layers = args.max_layers.unwrap_or(spec.layering.max_layers);
        if let Some(kept) = &kept {
            kept.apply(&mut spec);
        }
        if args.repack {
            spec.layering.lock.clear();
        }
        let laid = plan_spec(&spec).map_err(|failure| named(failure, args))?;
        if let Some(warning) =
            layers_lock::lock_overhead(&spec, &laid.closure, laid.below(), &laid.plan)?
        {
            reporter.warn(&warning);
        }
        let base = laid.base.as_ref().map(|base| FromBase::new(&spec, base)).transpose()?;
        plans.push(Planned { spec, laid, base });
    }
    if let Some(path) = &args.write_lock {
        write_lock(path, &plans)?;
        if output::is_stdout(path) {
            return Ok(());
        }
    }
    if global.json {
        return output::data(&to_json(&plans)?);
    }
    output::data(&Text::joined(plans.iter().map(show)))
}

/// Names the option that asked for a number of layers which cannot be.
fn named(failure: Failure, args: &PlanArgs) -> Failure {
    let is_of_it = |error: &PlanError| {
        matches!(error, PlanError::NoRoom { .. } | PlanError::TooManyLayers { .. })
    };
    match args.max_layers.filter(|_| failure.cause().is_some_and(is_of_it)) {
        Some(most) if args.closure.is_some() => {
            failure.hint(format!("`--max-layers {most}` asked for that"))
        }
        Some(most) => failure.hint(format!(
            "`--max-layers {most}` counts the layers of the base and of the own files too"
        )),
        None => failure,
    }
}

/// An image's layers, and what comes from below them.
struct Planned {
    spec: Spec,
    laid: PlannedImage,
    base: Option<FromBase>,
}

/// What an image has from its base.
#[derive(Serialize)]
struct FromBase {
    layers: usize,
    /// By OCI's names, as the config will have it.
    inherited: Map<String, Value>,
}

impl FromBase {
    fn new(spec: &Spec, base: &Base) -> Result<Self, Failure> {
        let inherited = image::inherited(spec, &base.lower()).map_err(Failure::input)?;
        Ok(Self { layers: base.layer_count(), inherited })
    }

    /// A line a field, or an entry of it.
    fn show(&self) -> Text {
        let mut text = Text::default();
        let plural = if self.layers == 1 { "" } else { "s" };
        text.line(format_args!("on a base of {} layer{plural}, which gives", self.layers));
        for (name, value) in &self.inherited {
            let entries: Vec<String> = match (name.as_str(), value) {
                ("Env", Value::Array(entries)) => {
                    entries.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                ("Labels", Value::Object(labels)) => labels
                    .iter()
                    .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                    .collect(),
                ("ExposedPorts" | "Volumes", Value::Object(set)) => set.keys().cloned().collect(),
                (_, Value::String(text)) => vec![text.clone()],
                (_, value) => vec![value.to_string()],
            };
            for entry in entries {
                text.line(format_args!("  {name:<12} {entry}"));
            }
        }
        text
    }
}

/// A spec's store paths in layers, and the base that they lie on.
#[derive(Debug)]
pub(in crate::cli) struct PlannedImage {
    pub(in crate::cli) closure: Closure,
    pub(in crate::cli) plan: ImagePlan,
    pub(in crate::cli) base: Option<Base>,
}

impl PlannedImage {
    /// How many layers the base has.
    fn below(&self) -> usize {
        self.base.as_ref().map_or(0, Base::layer_count)
    }
}

/// Plans a spec. Its base is looked up once, as it may lie in a registry.
pub(in crate::cli) fn plan_spec(spec: &Spec) -> Result<PlannedImage, Failure> {
    let named = |failure: Failure| failure.during(format!("failed to plan `{}`", spec.name));
    let closure = Closure::new(spec.stored()).map_err(|e| named(Failure::input(e)))?;
    let base = base::find(spec).map_err(named)?;
    let below = base.as_ref().map_or(0, Base::layer_count);
    let plan = assemble::plan_layers(spec, &closure, below).map_err(named)?;
    Ok(PlannedImage { closure, plan, base })
}

/// Writes the layers of whole sets: an image of a set keeps its layers only as long as the others
/// keep theirs.
fn write_lock(path: &Path, plans: &[Planned]) -> Result<(), Failure> {
    // Held until the file is written: another process must not read it before.
    let _lock = layers_lock::lock(path)?;
    let is_there = path.exists() && !output::is_stdout(path);
    let mut file = if is_there { LayersLock::read(path)? } else { LayersLock::empty() };
    for Planned { spec, laid, .. } in plans {
        let request = assemble::plan_request(spec, &laid.closure, laid.below());
        let plans = plan::plan_with_siblings(request).map_err(Failure::input)?;
        file.insert(spec, plan::lock(plans.values()));
    }
    file.write(path)
}

/// The graphs of a set, each left as text until it is its turn.
#[derive(Deserialize)]
struct Graphs<'a> {
    #[serde(borrow)]
    images: BTreeMap<String, &'a RawValue>,
}

#[derive(Serialize)]
struct Layers<'a> {
    layers: Vec<&'a [StorePath]>,
}

#[derive(Serialize)]
struct Images<'a> {
    images: BTreeMap<&'a str, Layers<'a>>,
}

/// Plans graphs that come without a spec, and gives nothing but lists of paths. `called` is what
/// messages call where they come from.
fn bare(bytes: &[u8], max_layers: u32, called: &str) -> Result<Text, Failure> {
    let layering = Layering::default();
    let request = |name, closure| plan::Request { name, closure, max_layers, layering: &layering };
    // serde would take an array as the fields in order.
    let object = bytes.trim_ascii_start().first() == Some(&b'{');
    if let Some(graphs) = object.then(|| serde_json::from_slice::<Graphs<'_>>(bytes).ok()).flatten()
    {
        let mut closures = Vec::new();
        for (name, graph) in graphs.images {
            let closure = parse(graph.get().as_bytes(), &format!("images.\"{name}\" in {called}"))?;
            closures.push((name, closure));
        }
        let requests: Vec<_> =
            closures.iter().map(|(name, closure)| request(name.as_str(), closure)).collect();
        let plans = plan::plan_set(&requests).map_err(Failure::input)?;
        let images = plans.iter().map(|(name, plan)| (name.as_str(), layers(plan))).collect();
        return output::json(&Images { images });
    }
    let closure = parse(bytes, called)?;
    let plan = plan::plan_image(request("closure", &closure)).map_err(Failure::input)?;
    output::json(&layers(&plan))
}

fn parse(graph: &[u8], called: &str) -> Result<Closure, Failure> {
    let failed = |error| Failure::input(error).during(format!("failed to read {called}"));
    Closure::parse(graph).map_err(failed)
}

fn layers(plan: &ImagePlan) -> Layers<'_> {
    Layers { layers: plan.layers.iter().map(|layer| layer.paths.as_slice()).collect() }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerJson<'a> {
    paths: &'a [StorePath],
    nar_size: u64,
    group: Option<&'a str>,
    images: &'a [String],
    largest: &'a StorePath,
    changes: u64,
    of_changes: u64,
}

impl<'a> LayerJson<'a> {
    fn new(layer: &'a PlannedLayer) -> Self {
        Self {
            paths: &layer.paths,
            nar_size: layer.nar_size,
            group: layer.why.group.as_deref(),
            images: &layer.why.images,
            largest: &layer.why.main,
            changes: layer.chance.sources,
            of_changes: layer.chance.of,
        }
    }
}

#[derive(Serialize)]
struct PlanJson<'a> {
    name: &'a str,
    layers: Vec<LayerJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<&'a FromBase>,
}

fn to_json(plans: &[Planned]) -> Result<Text, Failure> {
    let plans: Vec<PlanJson<'_>> = plans
        .iter()
        .map(|Planned { spec, laid, base }| PlanJson {
            name: spec.name.as_str(),
            layers: laid.plan.layers.iter().map(LayerJson::new).collect(),
            base: base.as_ref(),
        })
        .collect();
    output::json(&plans)
}

/// A line a layer, the top one first, as an image is drawn.
fn show(Planned { spec, laid, base }: &Planned) -> Text {
    let plan = &laid.plan;
    let heading = ["LAYER", "SIZE", "PATHS", "CHANGES", "WHAT"].map(str::to_owned).to_vec();
    let layers = plan.layers.iter().enumerate().rev();
    let rows = layers.map(|(at, layer)| {
        vec![
            (at + 1).to_string(),
            table::bytes(layer.nar_size),
            layer.paths.len().to_string(),
            chance(layer),
            what(layer),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    let paths: usize = plan.layers.iter().map(|layer| layer.paths.len()).sum();
    let size = plan.layers.iter().map(|layer| layer.nar_size).sum();
    let mut text = Text::default();
    text.line(format_args!(
        "{}: {} store paths, {}, in {} layers",
        spec.name,
        paths,
        table::bytes(size),
        plan.layers.len()
    ));
    text.append(&table::table(&rows, &[0, 1, 2, 3]));
    text.append(&base.as_ref().map(FromBase::show).unwrap_or_default());
    text
}

/// Of a hundred changes of single packages, how many rename the layer.
pub(in crate::cli) fn chance(layer: &PlannedLayer) -> String {
    match layer.chance.sources.saturating_mul(100) / layer.chance.of.max(1) {
        0 => "< 1 %".into(),
        percent => format!("{percent} %"),
    }
}

/// What the layer is for: its group or its largest paths, and who shares it.
pub(in crate::cli) fn what(layer: &PlannedLayer) -> String {
    let others = layer.paths.len() - 1;
    let what = match (&layer.why.group, others) {
        (Some(group), _) => format!("group {group}"),
        (None, 0) => layer.why.main.name().to_owned(),
        (None, others) => format!("{} and {others} more", layer.why.main.name()),
    };
    match layer.why.images.as_slice() {
        [] | [_] => what,
        images => format!("{what}; shared by {}", images.join(", ")),
    }
}
