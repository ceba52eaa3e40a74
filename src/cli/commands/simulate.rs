//! `cooper simulate`: what a series of versions costs, by cooper's plan and by others'.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::plan;
use crate::cli::GlobalArgs;
use crate::cli::args::spec_input;
use crate::cli::flake_history::FlakeImage;
use crate::cli::ui::failure::Failure;
use crate::cli::ui::output::Text;
use crate::cli::ui::{output, progress, table};
use crate::closure::Closure;
use crate::fs::{Context, FileError, FileOp};
use crate::plan::cost;
use crate::plan::cost::{Layers, TransferCost, Version};
use crate::plan::{Request, plan_image};
use crate::progress::Reporter;
use crate::spec::{self, Layering};

/// Compare the transfer and storage cost of plans over versions of an image
///
/// Each GRAPH is a references graph as Nix writes it, or a SPEC; `-` reads standard input. Each
/// version is compared with the previous one. In a directory with a `base.json`, each other graph
/// is one change and is compared with that base. With `--flake`, the versions are the commits of
/// the flake's git history that changed a lock.
#[derive(Debug, Args)]
pub(in crate::cli) struct SimulateArgs {
    /// Versions of an image
    #[arg(required_unless_present = "flake", value_name = "GRAPH")]
    graphs: Vec<PathBuf>,
    /// Image of a flake whose versions are the commits that changed a lock; commits without an
    /// available closure are reported and skipped
    #[arg(long, value_name = "DIR#IMAGE", conflicts_with = "graphs")]
    flake: Option<String>,
    /// Maximum number of commits, newest first
    #[arg(long, value_name = "N", default_value_t = 10, requires = "flake")]
    last: usize,
    /// Lock file whose commits count, relative to the flake (repeatable)
    #[arg(long, value_name = "FILE", requires = "flake",
          default_values = ["flake.lock", "nix/debian/lock.json"])]
    lock: Vec<PathBuf>,
    /// Argument for `nix build`, such as `--override-input` (repeatable)
    #[arg(long, value_name = "ARGUMENT", requires = "flake", allow_hyphen_values = true)]
    nix_argument: Vec<String>,
    /// Compare each version with the first instead of the one before
    #[arg(long)]
    from_first: bool,
    /// Maximum number of layers for store paths
    #[arg(long, value_name = "N", default_value_t = Layering::default().max_layers)]
    max_layers: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    plan: &'static str,
    pulled: u64,
    /// Nothing where layers have no order that means something.
    chained: Option<u64>,
    stored: u64,
}

/// A planner, by the name that the table gives it.
type Planner = (&'static str, fn(&Closure, u32) -> Result<Layers, Failure>);

/// A layer a path.
const LEAST: &str = "least possible";

const PLANNERS: [Planner; 4] = [
    ("one layer", |closure, _| Ok(cost::one_layer(closure))),
    ("popularity", |closure, max| Ok(cost::popularity(closure, max))),
    ("cooper", cooper),
    (LEAST, |closure, _| Ok(cost::each_path(closure))),
];

pub(in crate::cli) fn run(global: &GlobalArgs, args: &SimulateArgs) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let (series, steps) = series(args, &*progress::reporter(global))?;
    for (name, planner) in PLANNERS {
        let mut toll = TransferCost::default();
        for (closures, steps) in series.iter().zip(&steps) {
            let versions = closures
                .iter()
                .map(|closure| Ok(Version { closure, layers: planner(closure, args.max_layers)? }))
                .collect::<Result<Vec<_>, Failure>>()?;
            let its = cost::toll(&versions, steps);
            toll.pulled += its.pulled;
            toll.chained += its.chained;
            toll.stored += its.stored;
        }
        let chained = (name != LEAST).then_some(toll.chained);
        lines.push(Line { plan: name, pulled: toll.pulled, chained, stored: toll.stored });
    }
    if global.json {
        return output::data(&output::json(&lines)?);
    }
    output::data(&show(&lines))
}

fn cooper(closure: &Closure, max_layers: u32) -> Result<Layers, Failure> {
    let layering = Layering::default();
    let request = Request { name: "image", closure, max_layers, layering: &layering };
    Ok(cost::layers_of(&plan_image(request).map_err(Failure::input)?))
}

type Steps = Vec<(usize, usize)>;

/// The closures of each series, and which version follows which.
fn series(
    args: &SimulateArgs,
    reporter: &dyn Reporter,
) -> Result<(Vec<Vec<Closure>>, Vec<Steps>), Failure> {
    if let Some(reference) = &args.flake {
        let image = FlakeImage::new(reference, &args.nix_argument)?;
        let closures = image.closures(&args.lock, args.last, reporter)?;
        let steps = steps(closures.len(), args.from_first);
        return Ok((vec![closures], vec![steps]));
    }
    let fans = args.graphs.iter().filter(|path| path.join("base.json").is_file()).count();
    let lists: Vec<Vec<PathBuf>> = match fans {
        0 => vec![args.graphs.clone()],
        all if all == args.graphs.len() => {
            args.graphs.iter().map(|dir| fan(dir)).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(Failure::input("some of the graphs are folders with a `base.json`")
                .hint("give either such folders or single graphs"));
        }
    };
    let from_first = args.from_first || fans > 0;
    let mut all = Vec::new();
    for list in &lists {
        all.push(list.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?);
    }
    let steps = lists.iter().map(|list| steps(list.len(), from_first)).collect();
    Ok((all, steps))
}

/// Which version each of so many is compared with.
fn steps(versions: usize, from_first: bool) -> Steps {
    (1..versions).map(|to| (if from_first { 0 } else { to - 1 }, to)).collect()
}

/// The graphs of a folder, the base first.
fn fan(dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut graphs = Vec::new();
    for entry in std::fs::read_dir(dir).context(FileOp::Read, dir)? {
        let path = entry.context(FileOp::Read, dir)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            graphs.push(path);
        }
    }
    graphs.sort_by_key(|path| (!path.ends_with("base.json"), path.clone()));
    Ok(graphs)
}

fn read(path: &Path) -> Result<Closure, Failure> {
    let path = spec_input::locate(path);
    let bytes = spec_input::bytes(&path, plan::GRAPH_LIMIT)?;
    let closure = match spec::parse(&bytes) {
        Ok(spec) => Closure::new(spec.closure),
        Err(error) if is_named(&bytes) => return Err(spec_input::spec_failure(&path, error)),
        Err(_) => Closure::parse(&bytes),
    };
    let during = || format!("failed to read {}", spec_input::called(&path));
    closure.map_err(|error| Failure::input(error).during(during()))
}

/// Whether it has a name as a spec has, and no graph.
fn is_named(bytes: &[u8]) -> bool {
    let json = serde_json::from_slice::<Value>(bytes);
    json.is_ok_and(|json| json.get("name").is_some())
}

fn show(lines: &[Line]) -> Text {
    let heading = ["PLAN", "PULLED", "", "CHAINED", "", "STORED", ""].map(str::to_owned).to_vec();
    let least = lines.last();
    let rows = lines.iter().map(|line| {
        let times = |bytes: u64, least: Option<u64>| match least {
            Some(least) if least > 0 => format!("{:.2}x", bytes as f64 / least as f64),
            _ => String::new(),
        };
        let pulled = least.map(|least| least.pulled);
        vec![
            line.plan.to_owned(),
            table::bytes(line.pulled),
            times(line.pulled, pulled),
            line.chained.map(table::bytes).unwrap_or_default(),
            line.chained.map(|bytes| times(bytes, pulled)).unwrap_or_default(),
            table::bytes(line.stored),
            times(line.stored, least.map(|least| least.stored)),
        ]
    });
    let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
    table::table(&rows, &[1, 2, 3, 4, 5, 6])
}
