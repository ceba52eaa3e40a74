//! The edge cases of the tar format, read by programs that need no daemon.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::interop::tar_edge_cases::{GZIP, NONE, TarEdgeCases, ZSTD, extract};
use crate::support::sandbox::run;

#[test]
fn umoci_unpacks_edge_cases() {
    for compression in [GZIP, NONE] {
        let cases = TarEdgeCases::new(compression);
        umoci(&cases, &cases.layout(), &format!("umoci, {compression}"));
    }
}

#[test]
fn skopeo_recompressed_zstd_unpacks_with_umoci() {
    // umoci 0.4.7 cannot read zstd.
    let cases = TarEdgeCases::new(ZSTD);
    let to = cases.dir().join("gzip");
    let image = |layout: &Path| format!("oci:{}:latest", layout.display());
    let words: [&str; 5] =
        ["copy", "--insecure-policy", "--dest-compress", "--dest-compress-format", "gzip"];
    let words: Vec<String> =
        words.map(str::to_owned).into_iter().chain([image(&cases.layout()), image(&to)]).collect();
    run(
        "skopeo",
        &words.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>).collect::<Vec<_>>(),
    );
    umoci(&cases, &to, "skopeo and umoci, zstd");
}

fn umoci(cases: &TarEdgeCases, layout: &Path, who: &str) {
    let image = format!("{}:latest", layout.display());
    let bundle = cases.dir().join("bundle");
    run("umoci", &[&"unpack", &"--image", &image, &bundle]);
    cases.check(&bundle.join("rootfs"), who);
}

#[test]
fn skopeo_and_gnu_tools_read_archive_and_blobs() {
    for (compression, reader) in [(GZIP, "gzip"), (ZSTD, "zstd"), (NONE, "cat")] {
        let cases = TarEdgeCases::new(compression);
        for kind in ["oci-archive", "docker-archive"] {
            let archive = format!("{kind}:{}", cases.archive().display());
            let copy = format!("dir:{}", cases.dir().join(kind).display());
            run("skopeo", &[&"copy", &"-q", &"--insecure-policy", &archive, &copy]);
        }
        let copy = cases.dir().join("oci-archive");
        let manifest = fs::read(copy.join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let out = cases.dir().join("unpacked");
        fs::create_dir(&out).unwrap();
        for layer in manifest["layers"].as_array().unwrap() {
            let hex = layer["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let tar = cases.dir().join("layer.tar");
            let script = match reader {
                "cat" => "cat <\"$0\" >\"$1\"".to_owned(),
                _ => format!("{reader} --test <\"$0\" && {reader} --decompress <\"$0\" >\"$1\""),
            };
            run("sh", &[&"-c", &script, &copy.join(hex), &tar]);
            extract(&tar, &out);
        }
        cases.check(&out, &format!("GNU tar, {compression}"));
    }
}
