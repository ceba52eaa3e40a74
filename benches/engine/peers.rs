//! Other tools for the same task, as far as they are installed.

use std::process::Command;

use crate::corpus::Corpus;

/// The tools that a line needs, its name, and its script. `$1` is the store, `$2` a directory.
const PEERS: [(&[&str], &str, &str); 5] = [
    (
        &["tar", "sha256sum"],
        "GNU tar, sha256sum, to a pipe",
        "tar c -C \"$1\" . | tee >(sha256sum >/dev/null)",
    ),
    (
        &["tar", "gzip"],
        "GNU tar, gzip 6, sha256sum",
        "tar c -C \"$1\" . | gzip -6 | tee \"$2/layer\" | sha256sum",
    ),
    (
        &["tar", "pigz"],
        "GNU tar, pigz 6, sha256sum",
        "tar c -C \"$1\" . | pigz -6 | tee \"$2/layer\" | sha256sum",
    ),
    (
        &["umoci"],
        "umoci insert (gzip)",
        "rm -rf \"$2/u\" && umoci init --layout \"$2/u\" && umoci new --image \"$2/u:x\" && \
         umoci insert --rootless --image \"$2/u:x\" \"$1\" /store >/dev/null",
    ),
    (
        &["buildah"],
        "buildah add, commit (gzip) to a layout",
        "c=$(buildah --storage-driver vfs --root \"$2/b\" --runroot \"$2/r\" from scratch) && \
         buildah --storage-driver vfs --root \"$2/b\" --runroot \"$2/r\" add -q \"$c\" \"$1\" /store >/dev/null && \
         rm -rf \"$2/o\" && \
         buildah --storage-driver vfs --root \"$2/b\" --runroot \"$2/r\" commit -q --rm \"$c\" \"oci:$2/o\" >/dev/null",
    ),
];

pub(crate) fn commands() -> Vec<(String, String)> {
    let installed = |tool: &str| {
        let which = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", tool]).status();
        which.is_ok_and(|status| status.success())
    };
    PEERS
        .iter()
        .filter(|(tools, ..)| tools.iter().all(|tool| installed(tool)))
        .map(|(_, what, script)| ((*what).to_owned(), (*script).to_owned()))
        .collect()
}

pub(crate) fn shell(script: &str, corpus: &Corpus) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", "-o", "pipefail", script, "bash"]);
    command.arg(&corpus.store).arg(corpus.work.path());
    command
}
