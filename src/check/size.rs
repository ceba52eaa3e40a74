//! The budget of bytes.

use super::{CheckError, Findings};
use crate::fs::{Context, FileOp};
use crate::rootfs::{Kind, Rootfs};
use crate::spec::Check;

/// The largest parts that a message names.
const NAMED: usize = 3;

pub(super) fn check(rootfs: &Rootfs, out: &mut Findings<'_>) -> Result<(), CheckError> {
    let spec = out.spec;
    let Some(limit) = spec.checks.max_size else { return Ok(()) };
    let mut parts: Vec<(u64, String)> = Vec::new();
    for (path, node) in &rootfs.entries {
        let size = match &node.kind {
            Kind::Bytes(bytes) => bytes.len() as u64,
            Kind::Copy(from) => std::fs::metadata(from).context(FileOp::Read, from)?.len(),
            Kind::Directory | Kind::Symlink(_) => continue,
        };
        parts.push((size, format!("/{}", String::from_utf8_lossy(path))));
    }
    if spec.include_store_paths {
        parts.extend(spec.stored().iter().map(|i| (i.nar_size, i.path.name().to_owned())));
    }
    let size: u64 = parts.iter().map(|(size, _)| *size).fold(0, u64::saturating_add);
    if size > limit {
        parts.sort_by(|a, b| b.cmp(a));
        let largest: Vec<String> =
            parts.iter().take(NAMED).map(|(size, name)| format!("{name} ({size})")).collect();
        let message = format!(
            "the image has {size} bytes, and checks.maxSize allows {limit}; its largest parts \
             are {}",
            largest.join(", ")
        );
        out.problem(Check::MaxSize, message);
    }
    Ok(())
}
