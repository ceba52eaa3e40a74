//! What can change, and how often it does.
//!
//! A change starts at a *source*: a store path by itself, or all paths that are built from one
//! thing, such as the outputs of a derivation or the packages of one upstream release, which get
//! their fixes together. How often a source changes is guessed from what the graph and the
//! versions show; only the proportions matter.

use std::collections::BTreeMap;

use super::bit_set::BitSet;
use crate::store_path::{PackageName, StorePath};

/// A version of so many characters is nobody else's by chance.
const TELLING: usize = 9;
/// The same for a package and what it refers to, which have more in common to begin with.
const TELLING_NEAR: usize = 5;

/// How often a source changes. The order is that of their columns in a [`RateColumns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rate {
    /// The image's own packages, and those that a spec names in `changesOften`.
    Often,
    /// Packages whose version says that they were patched after their release: what was patched
    /// is what will be.
    Patched,
    /// All others.
    Plain,
}

impl Rate {
    pub(super) fn weight(self) -> u64 {
        match self {
            Self::Often => 50,
            Self::Patched => 10,
            Self::Plain => 1,
        }
    }
}

/// Where the columns of each rate are: sets of sources are then weighed a word at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateColumns {
    /// The first word of those that were patched.
    patched: usize,
    /// The first word of the plain ones.
    plain: usize,
}

impl RateColumns {
    /// Gives every source a column, in their order within each rate, and says how many columns
    /// that makes.
    pub(super) fn pack(rates: &[Rate]) -> (Self, Vec<usize>, usize) {
        let words = |wanted| rates.iter().filter(|rate| **rate == wanted).count().div_ceil(64);
        let patched = words(Rate::Often);
        let plain = patched + words(Rate::Patched);
        let (mut often_at, mut patched_at, mut plain_at) = (0, patched * 64, plain * 64);
        let mut column = |rate: &Rate| {
            let next = match rate {
                Rate::Often => &mut often_at,
                Rate::Patched => &mut patched_at,
                Rate::Plain => &mut plain_at,
            };
            *next += 1;
            *next - 1
        };
        let columns = rates.iter().map(&mut column).collect();
        (Self { patched, plain }, columns, plain_at)
    }

    /// The rate of a column's source.
    pub(super) fn rate(self, column: usize) -> Rate {
        match column / 64 {
            word if word < self.patched => Rate::Often,
            word if word < self.plain => Rate::Patched,
            _ => Rate::Plain,
        }
    }

    /// The weight of all sources of a set.
    pub(super) fn weigh(self, set: &BitSet) -> u64 {
        self.spans().map(|(rate, from, to)| rate.weight() * set.count_in(from, to)).sum()
    }

    /// The weight of the sources that are in both.
    pub(super) fn shared(self, a: &BitSet, b: &BitSet) -> u64 {
        self.spans().map(|(rate, from, to)| rate.weight() * a.shared_in(b, from, to)).sum()
    }

    fn spans(self) -> impl Iterator<Item = (Rate, usize, usize)> {
        let spans = [
            (Rate::Often, 0, self.patched),
            (Rate::Patched, self.patched, self.plain),
            (Rate::Plain, self.plain, usize::MAX),
        ];
        spans.into_iter().filter(|(_, from, to)| from < to)
    }
}

/// A path as far as it changes.
#[derive(Debug)]
pub(super) struct ChangeInput<'a> {
    pub(super) path: &'a StorePath,
    pub(super) images: &'a BitSet,
    /// Whether it is the author's own, by a hint or because nothing refers to it.
    pub(super) often: bool,
    /// What it refers to.
    pub(super) references: &'a [usize],
}

/// The sources of every path, and the rate of every source.
pub(super) fn sources(paths: &[ChangeInput<'_>]) -> (Vec<Vec<usize>>, Vec<Rate>) {
    let mut kin = UnionFind((0..paths.len()).collect());
    let names: Vec<PackageName<'_>> = paths.iter().map(|path| path.path.package_name()).collect();
    by_version(paths, &names, &mut kin);
    by_reference(paths, &names, &mut kin);
    let mut families: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..paths.len() {
        families.entry(kin.head(at)).or_default().push(at);
    }
    let rate = |at: usize| paths.get(at).map_or(Rate::Plain, rate_of);
    let mut sources = vec![Vec::new(); paths.len()];
    let mut rates = Vec::new();
    let mut give =
        |at: usize, source| sources.get_mut(at).map(|list: &mut Vec<_>| list.push(source));
    for family in families.values() {
        for at in family {
            give(*at, rates.len());
        }
        rates.push(family.iter().map(|at| rate(*at)).min().unwrap_or(Rate::Plain));
        // One of a family can still be rebuilt alone.
        for at in family.iter().filter(|_| family.len() > 1) {
            give(*at, rates.len());
            rates.push(Rate::Plain);
        }
    }
    (sources, rates)
}

fn rate_of(path: &ChangeInput<'_>) -> Rate {
    match path.often {
        true => Rate::Often,
        false if is_patched(version(&path.path.package_name())) => Rate::Patched,
        false => Rate::Plain,
    }
}

/// Debian marks the updates of a stable release with `deb12u3`, Ubuntu with `ubuntu0.3`.
fn is_patched(version: &str) -> bool {
    let after = |mark: &str, then: char| {
        version.match_indices(mark).any(|(at, _)| {
            let rest = version.get(at + mark.len()..).unwrap_or_default();
            let number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            number.len() < rest.len() && number.starts_with(then)
        })
    };
    after("deb", 'u') || after("ubuntu", '.')
}

fn version<'a>(name: &'a PackageName<'_>) -> &'a str {
    let version = stem(name).get(name.package().len()..).unwrap_or_default();
    version.strip_prefix('-').unwrap_or(version)
}

/// A name without its output.
fn stem<'a>(name: &'a PackageName<'_>) -> &'a str {
    match name.as_str().rsplit_once('-') {
        Some((stem, output))
            if stem.len() > name.package().len()
                && output.bytes().all(|byte| byte.is_ascii_lowercase()) =>
        {
            stem
        }
        _ => name.as_str(),
    }
}

/// Paths of one name and version, or of one long version. Only within images that have both, so
/// that a stranger in a set changes nothing.
fn by_version(paths: &[ChangeInput<'_>], names: &[PackageName<'_>], kin: &mut UnionFind) {
    let mut known: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let kindred = |a: usize, b: usize| match (paths.get(a), paths.get(b)) {
        (Some(a), Some(b)) => a.images.intersects(b.images),
        _ => false,
    };
    let common = || paths.iter().zip(names).enumerate().filter(|(_, (path, _))| !path.often);
    for (at, (path, name)) in common() {
        let version = version(name);
        let telling = (version.len() >= TELLING).then_some(version);
        for key in std::iter::once(stem(name)).chain(telling) {
            let list = known.entry(key).or_default();
            list.iter().filter(|other| kindred(at, **other)).for_each(|other| kin.join(at, *other));
            let covered = |other: &usize| {
                paths.get(*other).is_some_and(|other| path.images.is_subset(other.images))
            };
            if !list.iter().any(covered) {
                list.push(at);
            }
        }
    }
    // `libkrb5-3-1.20.1-2` is of the version `1.20.1-2` too, with more in front of it.
    for (at, (_, name)) in common() {
        let mut rest = version(name);
        while let Some((_, shorter)) = rest.split_once('-').filter(|(_, s)| s.len() >= TELLING) {
            let others = known.get(shorter).into_iter().flatten();
            others.filter(|other| kindred(at, **other)).for_each(|other| kin.join(at, *other));
            rest = shorter;
        }
    }
}

/// Paths of one upstream release, one of which refers to the other: their revisions may differ.
fn by_reference(paths: &[ChangeInput<'_>], names: &[PackageName<'_>], kin: &mut UnionFind) {
    let upstream = |(path, name): (&ChangeInput<'_>, &PackageName<'_>)| -> Option<String> {
        let mut parts = version(name).split('-').filter(|part| part.contains('.'));
        let part = parts.next().filter(|part| part.len() >= TELLING_NEAR)?;
        (!path.often).then(|| part.to_owned())
    };
    let upstreams: Vec<Option<String>> = paths.iter().zip(names).map(upstream).collect();
    for ((at, path), own) in paths.iter().enumerate().zip(&upstreams) {
        for to in path.references.iter().filter(|_| own.is_some()) {
            if upstreams.get(*to).is_some_and(|other| other == own) {
                kin.join(at, *to);
            }
        }
    }
}

/// Families of paths, each under its first member.
#[derive(Debug)]
struct UnionFind(Vec<usize>);

impl UnionFind {
    fn head(&mut self, mut at: usize) -> usize {
        while let Some(above) = self.0.get(at).copied().filter(|above| *above != at) {
            // Halving the way keeps it short.
            let next = self.0.get(above).copied().unwrap_or(above);
            if let Some(place) = self.0.get_mut(at) {
                *place = next;
            }
            at = next;
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.head(a), self.head(b));
        if let Some(place) = self.0.get_mut(a.max(b)) {
            *place = a.min(b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::path;
    use super::*;

    /// Which of these share a source, as lists of names, in an image that has them all.
    fn families(names: &[&str], references: &[(usize, usize)]) -> Vec<Vec<String>> {
        let owned: Vec<StorePath> = names.iter().map(|name| path(name)).collect();
        let mut images = BitSet::new(1);
        images.insert(0);
        let to: Vec<Vec<usize>> = (0..names.len())
            .map(|at| {
                references.iter().filter(|(from, _)| *from == at).map(|(_, to)| *to).collect()
            })
            .collect();
        let changing = owned.iter().zip(&to).map(|(path, references)| ChangeInput {
            path,
            images: &images,
            often: false,
            references,
        });
        let (sources, _) = sources(&changing.collect::<Vec<_>>());
        let mut shared: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (name, own) in names.iter().zip(&sources) {
            for source in own {
                shared.entry(*source).or_default().push((*name).to_owned());
            }
        }
        shared.into_values().filter(|family| family.len() > 1).collect()
    }

    #[test]
    fn outputs_of_one_version_are_one_source_and_like_versions_of_others_are_not() {
        let names = ["openssl-3.4.1", "openssl-3.4.1-bin", "curl-3.4.1", "openssl-3.4.2-dev"];
        assert_eq!(families(&names, &[]), [["openssl-3.4.1", "openssl-3.4.1-bin"]]);
    }

    #[test]
    fn a_long_version_tells_whose_packages_these_are() {
        let names = [
            "libkrb5-3-1.20.1-2+deb12u5",
            "libk5crypto3-1.20.1-2+deb12u5",
            "perl-5.36.0-7+deb12u3",
            "perl-modules-5.36-5.36.0-7+deb12u3",
        ];
        assert_eq!(families(&names, &[]), [&names[..2], &names[2..]]);
    }

    #[test]
    fn a_release_is_one_source_though_one_of_its_packages_was_rebuilt() {
        let names = ["nodejs-18.20.4-1", "libnode108-18.20.4-1+b1", "other-18.20.4-3"];
        assert_eq!(families(&names, &[(0, 1)]), [&names[..2]]);
    }

    #[test]
    fn versions_tell_whether_they_were_patched() {
        for (version, patched) in [
            ("3.0.20-1-deb12u2", true),
            ("2.36-9+deb12u14", true),
            ("2.4.52-1ubuntu4.7", true),
            ("2.4.52-1ubuntu4", false),
            ("1.0-debug", false),
            ("10.42-1", false),
        ] {
            assert_eq!(is_patched(version), patched, "{version}");
        }
    }

    #[test]
    fn a_scale_weighs_every_source_by_its_rate() {
        let rates = [Rate::Plain, Rate::Often, Rate::Plain, Rate::Patched];
        let (scale, columns, width) = RateColumns::pack(&rates);
        let mut set = BitSet::new(width);
        columns.iter().for_each(|column| set.insert(*column));
        assert_eq!(scale.weigh(&set), 50 + 10 + 1 + 1);
        let back: Vec<Rate> = columns.iter().map(|column| scale.rate(*column)).collect();
        assert_eq!(back, rates);
    }
}
