//! From bytes to a checked [`Spec`].

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::{Config, ConfigError, Platform, Spec, VERSION};

/// Why bytes are no spec. `cli` names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Not JSON, or a field of another shape than the contract's.
    #[error("{message}")]
    Json {
        /// `serde_json`'s words, with line and column.
        message: String,
        /// The known field that an unknown one is nearest to.
        suggestion: Option<String>,
    },
    /// An array where the object should be.
    #[error("the spec is an array; it must be an object, at line 1 column 1")]
    NotAnObject,
    /// A spec that another cooper wrote.
    #[error("version is {0}, and this cooper reads version {VERSION} only")]
    Version(u64),
    /// The image has no name to be loaded or pushed under.
    #[error("tags is empty; give at least one tag")]
    NoTag,
    /// A path in the image that is not absolute and plain.
    #[error("{field} has `{path}`; write an absolute path without `.`, `..` or `//` in it")]
    ImagePath {
        /// The field.
        field: &'static str,
        /// The path.
        path: String,
    },
    /// A path that Linux does not take (`PATH_MAX`, `NAME_MAX`).
    #[error("{field} has `{path}…`; a path is at most 4095 bytes, and a name in it 255")]
    LongPath {
        /// The field.
        field: &'static str,
        /// The beginning of the path.
        path: String,
    },
    /// A file without bytes, or with two sources of them.
    #[error("files.\"{0}\" needs either `text` or `source`, and not both")]
    FileSource(String),
    /// Two declarations for one path in the image.
    #[error("`{path}` is declared twice, in {first} and in {second}")]
    Collision {
        /// The path in the image.
        path: String,
        /// The field that has it first.
        first: &'static str,
        /// The field that has it again.
        second: &'static str,
    },
    /// A platform in other words than OCI's, which no runtime would know.
    #[error("platform.{field} is `{value}`; write {instead}")]
    Platform {
        /// `os`, `architecture` or `variant`.
        field: &'static str,
        /// What it says.
        value: String,
        /// What to write.
        instead: &'static str,
    },
    /// A limit that no image can keep.
    #[error("layering.maxLayers is {0}; write a number from 1 to 125, the most that Docker takes")]
    MaxLayers(u32),
    /// A name or field of `/etc/passwd` or `/etc/group` that would break the file.
    #[error("{field}.\"{name}\" is empty, or has a colon or a line break in it")]
    Account {
        /// `users` or `groups`.
        field: &'static str,
        /// The account.
        name: String,
    },
    /// A uid or gid that to the kernel means none.
    #[error("{field}.\"{name}\" has the uid or gid 4294967295; the largest is 4294967294")]
    Id {
        /// The field.
        field: &'static str,
        /// The path or the name in it.
        name: String,
    },
    /// A base that is nowhere, or in two places.
    #[error("base needs either `path` (a layout or an archive) or `lock` (from `cooper lock`){0}")]
    Base(&'static str),
    /// A link that leads nowhere by its very text.
    #[error("symlinks.\"{path}\" has the target `{target}`; a target is 1 to 4095 bytes, no NUL")]
    Target {
        /// The link.
        path: String,
        /// Its target, cut when it is long.
        target: String,
    },
    /// A file of the machine that the closure does not answer for.
    #[error("{field} is `{path}`, which is not in {closure}")]
    OutsideClosure {
        /// The field.
        field: String,
        /// The path.
        path: String,
        /// What the closure has.
        closure: String,
    },
    /// The runtime config.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl SpecError {
    /// The same without line and column: in a text that nobody has seen they lead nowhere.
    #[must_use]
    pub fn without_place(self) -> Self {
        match self {
            Self::Json { message, suggestion } => {
                let said = message.rsplit_once(" at line ").map(|(said, _)| said.to_owned());
                Self::Json { message: said.unwrap_or(message), suggestion }
            }
            other => other,
        }
    }
}

/// Reads a spec and checks all that can be known without the store.
pub fn parse(bytes: &[u8]) -> Result<Spec, SpecError> {
    // serde would take an array as the fields in order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(SpecError::NotAnObject);
    }
    let mut spec: Spec = from_json(bytes)?;
    spec.config.check()?;
    spec.config.settle_env();
    let mut seen = BTreeSet::new();
    spec.tags.retain(|tag| seen.insert(tag.clone()));
    check(&spec)?;
    Ok(spec)
}

impl Config {
    /// Reads a fragment of a config: JSON with some of the config's fields.
    pub fn parse_fragment(bytes: &[u8]) -> Result<Self, SpecError> {
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            return Err(SpecError::NotAnObject);
        }
        let config: Self = from_json(bytes)?;
        config.check()?;
        Ok(config)
    }
}

fn check(spec: &Spec) -> Result<(), SpecError> {
    if spec.version != VERSION {
        return Err(SpecError::Version(spec.version));
    }
    if spec.tags.is_empty() {
        return Err(SpecError::NoTag);
    }
    if !(1..=125).contains(&spec.layering.max_layers) {
        return Err(SpecError::MaxLayers(spec.layering.max_layers));
    }
    for (path, file) in &spec.files {
        if file.content().is_none() {
            return Err(SpecError::FileSource(path.clone()));
        }
    }
    check_platform(&spec.platform)?;
    check_base(spec)?;
    check_paths(spec)?;
    check_ids(spec)?;
    check_accounts(spec)
}

/// Other words for machines, those of uname, Nix and Debian, and what OCI calls them.
const MACHINES: [(&str, &str); 10] = [
    ("x86_64", "`amd64`"),
    ("x86-64", "`amd64`"),
    ("x64", "`amd64`"),
    ("aarch64", "`arm64`"),
    ("i386", "`386`"),
    ("i686", "`386`"),
    ("armhf", "`arm`, and `v7` as the variant"),
    ("armv7l", "`arm`, and `v7` as the variant"),
    ("armv6l", "`arm`, and `v6` as the variant"),
    ("powerpc64le", "`ppc64le`"),
];

/// image-spec, image-index.md, `platform`: Go's names, all of them lowercase.
fn check_platform(platform: &Platform) -> Result<(), SpecError> {
    let error = |field, value: &str, instead| {
        Err(SpecError::Platform { field, value: value.into(), instead })
    };
    let is_word = |text: &str| {
        let lowercase = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
        !text.is_empty() && text.chars().all(lowercase)
    };
    let Platform { os, architecture, variant } = platform;
    if os != "linux" {
        return error("os", os, "`linux`, which all images of cooper are for");
    }
    if let Some((_, instead)) = MACHINES.iter().find(|(other, _)| other == architecture) {
        return error("architecture", architecture, instead);
    }
    if !is_word(architecture) {
        return error("architecture", architecture, "OCI's name, such as `amd64` or `arm64`");
    }
    match variant.as_deref().filter(|variant| !is_word(variant)) {
        Some(variant) => error("variant", variant, "one such as `v8`, or leave it out"),
        None => Ok(()),
    }
}

fn check_base(spec: &Spec) -> Result<(), SpecError> {
    let Some(base) = &spec.base else { return Ok(()) };
    match (&base.path, &base.lock) {
        (None, None) => Err(SpecError::Base("")),
        (Some(_), Some(_)) => Err(SpecError::Base(", and not both")),
        (Some(_), None) if !base.blobs.is_empty() => {
            Err(SpecError::Base("; `blobs` goes with `lock`"))
        }
        (None, Some(_)) if base.reference.is_some() => {
            Err(SpecError::Base("; `reference` goes with `path`"))
        }
        _ => Ok(()),
    }
}

fn check_paths(spec: &Spec) -> Result<(), SpecError> {
    let fields = [
        ("files", spec.files.keys().collect::<Vec<_>>()),
        ("directories", spec.directories.keys().collect()),
        ("symlinks", spec.symlinks.keys().collect()),
    ];
    let mut seen = std::collections::BTreeMap::new();
    for (field, paths) in fields {
        for path in paths {
            if !is_plain_absolute(path) {
                return Err(SpecError::ImagePath { field, path: path.clone() });
            }
            if path.len() > 4095 || path.split('/').any(|name| name.len() > 255) {
                return Err(SpecError::LongPath { field, path: path.chars().take(80).collect() });
            }
            if let Some(first) = seen.insert(path, field) {
                return Err(SpecError::Collision { path: path.clone(), first, second: field });
            }
        }
    }
    let long = |target: &str| !(1..=4095).contains(&target.len()) || target.contains('\0');
    if let Some((path, target)) = spec.symlinks.iter().find(|(_, target)| long(target)) {
        let target = target.chars().take(80).collect::<String>().replace('\0', "\\0");
        return Err(SpecError::Target { path: path.clone(), target });
    }
    Ok(())
}

fn is_plain_absolute(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        !path.contains('\0') && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

/// `chown(2)`: -1 leaves the owner as it is.
fn check_ids(spec: &Spec) -> Result<(), SpecError> {
    let files = spec.files.iter().map(|(name, f)| ("files", name, [f.uid, f.gid]));
    let directories = spec.directories.iter();
    let directories = directories.map(|(name, d)| ("directories", name, [d.uid, d.gid]));
    let users = spec.users.iter().map(|(name, u)| ("users", name, [u.uid, u.gid]));
    let groups = spec.groups.iter().map(|(name, g)| ("groups", name, [g.gid, g.gid]));
    let mut all = files.chain(directories).chain(users).chain(groups);
    match all.find(|(_, _, ids)| ids.contains(&u32::MAX)) {
        Some((field, name, _)) => Err(SpecError::Id { field, name: name.clone() }),
        None => Ok(()),
    }
}

fn check_accounts(spec: &Spec) -> Result<(), SpecError> {
    let breaks = |text: &str| text.contains([':', '\n', '\0']);
    for (name, user) in &spec.users {
        if name.is_empty()
            || [name, &user.description, &user.home, &user.shell].iter().any(|text| breaks(text))
        {
            return Err(SpecError::Account { field: "users", name: name.clone() });
        }
    }
    for (name, group) in &spec.groups {
        if name.is_empty()
            || breaks(name)
            || group.members.iter().any(|member| breaks(member) || member.contains(','))
        {
            return Err(SpecError::Account { field: "groups", name: name.clone() });
        }
    }
    Ok(())
}

/// Reads JSON; an error says in which field and where.
fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SpecError> {
    let json = &mut serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut *json).map_err(|error| {
        let (place, inner) = (field(error.path()), error.inner().to_string());
        let suggestion = suggest(&inner);
        let message = if place.is_empty() { inner } else { format!("{place}: {inner}") };
        SpecError::Json { message, suggestion }
    })?;
    json.end().map_err(|error| SpecError::Json { message: error.to_string(), suggestion: None })?;
    Ok(value)
}

/// Fields whose keys an author chooses.
const MAPS: [&str; 11] = [
    "files",
    "directories",
    "symlinks",
    "users",
    "groups",
    "annotations",
    "config.Labels",
    "config.ExposedPorts",
    "config.Volumes",
    "base.blobs",
    "layering.siblings",
];

/// The name of a field as all errors and Nix write it: `files."/etc/x".mode`.
fn field(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter().fold(String::new(), |name, segment| {
        let dot = if name.is_empty() { "" } else { "." };
        // A fragment of a config begins at the config.
        let is_map = |map: &&str| *map == name || map.strip_prefix("config.") == Some(&name);
        match segment {
            Segment::Seq { index } => format!("{name}[{index}]"),
            Segment::Map { key } if MAPS.iter().any(is_map) => format!("{name}{dot}{key:?}"),
            Segment::Map { key } | Segment::Enum { variant: key } => format!("{name}{dot}{key}"),
            Segment::Unknown => name,
        }
    })
}

/// serde names the unknown field and all that it knows, between backticks; the nearest one is
/// what was meant, if any is near.
fn suggest(message: &str) -> Option<String> {
    let names = message.strip_prefix("unknown field `")?;
    let mut quoted = names.split('`').step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (distance(unknown, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known.to_owned())
}

/// Levenshtein's distance, without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, cb) in b.to_lowercase().chars().take(64).enumerate() {
        let mut next = vec![i + 1];
        for ((ca, above), above_left) in a.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let left = next.last().copied().unwrap_or_default();
            let step = above_left + usize::from(*ca != cb);
            next.push(step.min(left + 1).min(above + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
