//! The ends of symbolic links, as Linux follows them.
//!
//! The end of each link is found once, for any number of links that lead to it. The time for all
//! links of an image is in proportion to the length of their targets.

use std::collections::BTreeMap;

use super::paths::{PathId, Paths, ROOT};

/// Linux follows no more links on the way of one path.
const MAX_HOPS: u32 = 40;

/// The end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is being followed, so what leads to it is a circle.
    Open,
    /// To nothing.
    Nothing,
    /// To a path, over this number of links.
    Path(PathId, u32),
}

/// The kind of entry at a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// A symbolic link with this target.
    Link(PathId),
    /// Anything else.
    Other,
}

/// The links of an image.
pub(super) struct Links<'a, F> {
    paths: &'a Paths,
    node: F,
    known: BTreeMap<PathId, Known>,
}

/// A link whose target is followed.
struct Step<'a> {
    link: PathId,
    /// The part of the target that is left.
    rest: &'a [u8],
    at: PathId,
    hops: u32,
}

impl<'a, F: Fn(PathId) -> Option<Found>> Links<'a, F> {
    /// `node` gives what is at a path.
    pub(super) fn new(paths: &'a Paths, node: F) -> Self {
        Self { paths, node, known: BTreeMap::new() }
    }

    /// Returns the end of a symbolic link; none for other entries and for links to nothing.
    pub(super) fn resolve(&mut self, link: PathId) -> Option<PathId> {
        let mut open: Vec<Step<'a>> = self.step(link).into_iter().collect();
        while let Some(step) = open.last_mut() {
            let known = match self.follow(step) {
                Followed::Link(next) => match self.known.get(&next).copied() {
                    Some(Known::Path(path, hops)) => {
                        step.at = path;
                        step.hops += hops;
                        pass(step);
                        if step.hops <= MAX_HOPS {
                            continue;
                        }
                        Known::Nothing
                    }
                    Some(Known::Open | Known::Nothing) => Known::Nothing,
                    None => match self.step(next) {
                        Some(next) => {
                            open.push(next);
                            continue;
                        }
                        None => Known::Nothing,
                    },
                },
                Followed::End(known) => known,
            };
            self.known.insert(step.link, known);
            open.pop();
        }
        match self.known.get(&link) {
            Some(Known::Path(path, _)) => Some(*path),
            _ => None,
        }
    }

    /// The beginning of a link that is not known yet.
    fn step(&mut self, link: PathId) -> Option<Step<'a>> {
        let Some(Found::Link(target)) = (self.node)(link) else { return None };
        if self.known.contains_key(&link) {
            return None;
        }
        self.known.insert(link, Known::Open);
        let rest = self.paths.name(target);
        let at = if rest.starts_with(b"/") { ROOT } else { self.paths.parent(link) };
        Some(Step { link, rest, at, hops: 1 })
    }

    /// Follows a target up to the next link, which stays the first part of the rest.
    fn follow(&self, step: &mut Step<'a>) -> Followed {
        loop {
            let part = first(step.rest);
            match part {
                b"" if step.rest.is_empty() => {
                    return Followed::End(Known::Path(step.at, step.hops));
                }
                b"" | b"." => {}
                b".." => step.at = self.paths.parent(step.at),
                name => {
                    let child = self.paths.child(step.at, name);
                    let node = child.and_then(|child| Some((child, (self.node)(child)?)));
                    match node {
                        None => return Followed::End(Known::Nothing),
                        Some((child, Found::Link(_))) => {
                            return Followed::Link(child);
                        }
                        Some((child, _)) => step.at = child,
                    }
                }
            }
            pass(step);
        }
    }
}

enum Followed {
    Link(PathId),
    End(Known),
}

fn first(rest: &[u8]) -> &[u8] {
    rest.split(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Leaves the first part of the rest, and the slash after it.
fn pass(step: &mut Step<'_>) {
    let end = first(step.rest).len() + 1;
    step.rest = step.rest.get(end..).unwrap_or_default();
}
