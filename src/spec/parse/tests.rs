use super::*;

fn parse_with(extra: &str) -> Result<Spec, SpecError> {
    parse(format!(r#"{{"version":1,"name":"a"{extra}}}"#).as_bytes())
}

#[test]
fn the_smallest_spec_gets_the_documented_defaults() {
    let spec = parse_with("").unwrap();
    assert_eq!(spec.tags.iter().map(crate::spec::Tag::as_str).collect::<Vec<_>>(), ["latest"]);
    assert_eq!(spec.created.to_string(), "1970-01-01T00:00:01Z");
    assert_eq!(spec.platform.to_string(), "linux/amd64");
    assert_eq!(spec.layering.max_layers, 60);
}

#[test]
fn a_misspelt_field_is_an_error_that_names_the_nearest_one() {
    // fault 4
    let error = parse_with(r#","config":{"Entrypont":[]}"#).unwrap_err();
    let SpecError::Json { message, suggestion } = error else { unreachable!() };
    assert!(message.starts_with("config.Entrypont: unknown field `Entrypont`"), "{message}");
    assert_eq!(suggestion.as_deref(), Some("Entrypoint"));
    let error = parse_with(r#","zzz":1"#).unwrap_err();
    assert!(matches!(error, SpecError::Json { suggestion: None, .. }));
}

#[test]
fn the_last_of_two_variables_wins_at_the_place_of_the_first() {
    // fault 10
    let spec = parse_with(r#","config":{"Env":["A=1","B=2","A=3"]}"#).unwrap();
    assert_eq!(spec.config.env, ["A=3", "B=2"]);
}

#[test]
fn two_hundred_thousand_variables_are_no_work() {
    // fault 5: comparing each with each would take minutes
    let entries: Vec<String> = (0..200_000).map(|number| format!("\"A{number}=\"")).collect();
    let spec = parse_with(&format!(r#","config":{{"Env":[{}]}}"#, entries.join(","))).unwrap();
    assert_eq!(spec.config.env.len(), entries.len());
}

#[test]
fn numbers_and_paths_that_no_reader_takes_are_refused() {
    let deep = |parts: usize| format!("/{}a", "a/".repeat(parts));
    let files = |path: &str| format!(r#","files":{{"{path}":{{"text":""}}}}"#);
    let check = |field: &str, number: u64| {
        format!(r#","config":{{"Healthcheck":{{"Test":[],"{field}":{number}}}}}"#)
    };
    let parsed = |extra: &str| parse_with(extra).map(drop).map_err(|error| error.to_string());
    for good in [
        files(&deep(2046)),
        files(&format!("/{}", "a".repeat(255))),
        check("Retries", i64::MAX.cast_unsigned()),
        check("Timeout", i64::MAX.cast_unsigned()),
    ] {
        assert_eq!(parsed(&good), Ok(()));
    }
    for (bad, says) in [
        (files(&deep(2047)), "4095 bytes"),
        (files(&format!("/{}", "a".repeat(256))), "a name in it 255"),
        (check("Retries", 1 << 63), "signed 64-bit"),
        (check("Timeout", 1 << 63), "signed 64-bit"),
    ] {
        let error = parsed(&bad).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn each_bad_spec_is_an_error_that_says_what_is_wrong() {
    // faults 1 to 13
    let deep = format!(r#","config":{{"Labels":{}"#, "[".repeat(100_000));
    for (extra, says) in [
        (r#","name":"b""#, "duplicate field `name`"),
        (r#","config":{"Labels":{"a":"1","a":"2"}}"#, "duplicate field `a`"),
        (r#","config":{"Env":["A"]}"#, "write `NAME=value`"),
        (r#","config":{"Env":["A=\u0000"]}"#, "NUL"),
        (r#","config":{"User":"4294967296"}"#, "config.User"),
        (r#","config":{"User":"-1"}"#, "config.User"),
        (r#","config":{"ExposedPorts":{"http":{}}}"#, "config.ExposedPorts"),
        (r#","config":{"WorkingDir":"x"}"#, "config.WorkingDir"),
        (r#","config":{"Healthcheck":{"Test":["curl"]}}"#, "CMD-SHELL"),
        (r#","created":"now""#, "RFC 3339"),
        (r#","created":"""#, "RFC 3339"),
        (r#","created":"1969-12-31T23:59:59Z""#, "before 1970"),
        (r#","tags":[]"#, "at least one tag"),
        (r#","tags":[".x"]"#, "is not a tag"),
        (r#","layering":{"maxLayers":0}"#, "maxLayers"),
        (r#","layering":{"maxLayers":126}"#, "maxLayers"),
        (r#","layering":{"maxLayers":1e400}"#, "number out of range"),
        (r#","layering":{"maxLayers":"60"}"#, "invalid type: string"),
        (r#","files":{"/a":{"text":"","mode":"0888"}}"#, "octal"),
        (r#","files":{"/a":{"text":"","mode":"0644junk"}}"#, "octal"),
        (r#","files":{"/a":{"text":"","mode":"u+x"}}"#, "octal"),
        (r#","files":{"/a":{"text":"","mode":"10000"}}"#, "octal"),
        (r#","files":{"/a":{}}"#, "`text` or `source`"),
        (r#","files":{"/a":{"text":"","uid":-1}}"#, "-1"),
        (r#","files":{"a":{"text":""}}"#, "absolute path"),
        (r#","files":{"/a/../b":{"text":""}}"#, "absolute path"),
        (r#","files":{"/a":{"text":""}},"symlinks":{"/a":"b"}"#, "declared twice"),
        (r#","compression":{"algorithm":"gzip","level":10}"#, "levels 1 to 9"),
        (r#","users":{"a:b":{"uid":1,"gid":1}}"#, "colon"),
        (r#","config":[]"#, "config: invalid type: sequence, expected an object"),
        (r#","config":{"Healthcheck":[["NONE"]]}"#, "config.Healthcheck: invalid type: sequence"),
        (r#","platform":["linux","amd64"]"#, "platform: invalid type: sequence"),
        (r#","layering":[]"#, "layering: invalid type: sequence"),
        (r#","layering":{"groups":[["a",[]]]}"#, "layering.groups[0]: invalid type: sequence"),
        (r#","base":["/x"]"#, "base: invalid type: sequence"),
        (r#","files":{"/a":["x"]}"#, "files.\"/a\": invalid type: sequence"),
        (r#","users":{"a":[1,1]}"#, "users.\"a\": invalid type: sequence"),
        (r#","closure":[["/x","",1]]"#, "closure[0]: invalid type: sequence"),
        (r#","checks":{"skip":["root"]}"#, "checks.skip[0]: unknown variant `root`"),
        (r#","symlinks":{"/a":""}"#, "symlinks.\"/a\" has the target ``"),
        (r#","files":{"/a":{"text":"","capabilities":["x"]}}"#, "`x` is no capability"),
        (
            r#","closure":[{"path":"/nix/store/x","narHash":"sha256:x","narSize":1}]"#,
            "not a store path",
        ),
        (&deep, "invalid type"),
    ] {
        let error = parse_with(extra).unwrap_err().to_string();
        assert!(error.contains(says), "{extra} gave: {error}");
    }
}

#[test]
fn json_error_quotes_the_keys_of_maps() {
    for (extra, place) in [
        (
            r#","files":{"/etc/myapp/config":{"text":"","capabilities":["cap_fly=ep"]}}"#,
            r#"files."/etc/myapp/config".capabilities: there is no capability"#,
        ),
        (r#","directories":{"/a.b":{"mode":"9"}}"#, r#"directories."/a.b".mode: "#),
        (r#","symlinks":{"/a":1}"#, r#"symlinks."/a": invalid type"#),
        (r#","groups":{"a\"b":{"gid":"x"}}"#, r#"groups."a\"b".gid: invalid type"#),
        (r#","config":{"Labels":{"a.b":1}}"#, r#"config.Labels."a.b": invalid type"#),
        (r#","annotations":{"a.b":[]}"#, r#"annotations."a.b": invalid type"#),
        (r#","layering":{"groups":[{"name":1}]}"#, "layering.groups[0].name: invalid type"),
    ] {
        let error = parse_with(extra).unwrap_err().to_string();
        assert!(error.starts_with(place), "{extra} gave: {error}");
    }
    let error = Config::parse_fragment(br#"{"Labels":{"a.b":1}}"#).unwrap_err().to_string();
    assert!(error.starts_with(r#"Labels."a.b": invalid type"#), "{error}");
}

#[test]
fn what_is_not_a_json_object_in_utf_8_is_refused_with_its_place() {
    // faults 1, 2 and 6
    let inputs: [&[u8]; 6] =
        [b"", b"null", b"[]", b"{\"version\":1", b"\xef\xbb\xbf{}", b"{\"\xff\":1}"];
    for bytes in inputs {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(error.contains("line 1 column"), "{error}");
    }
}

#[test]
fn a_spec_of_another_version_is_refused() {
    let error = parse(br#"{"version":2,"name":"a"}"#).unwrap_err();
    assert!(matches!(error, SpecError::Version(2)));
}

#[test]
fn an_owner_that_means_none_is_an_error() {
    // fault 7
    for (fields, names) in [
        (r#""files":{"/a":{"text":"","uid":4294967295}}"#, "files.\"/a\""),
        (r#""directories":{"/a":{"gid":4294967295}}"#, "directories.\"/a\""),
        (r#""users":{"a":{"uid":4294967295,"gid":1}}"#, "users.\"a\""),
        (r#""groups":{"a":{"gid":4294967295}}"#, "groups.\"a\""),
    ] {
        let error = parse_with(&format!(",{fields}")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{names} has the uid or gid")), "{error}");
        parse_with(&format!(",{}", fields.replace("7295", "7294"))).unwrap();
    }
}

#[test]
fn a_signal_that_no_container_can_be_sent_is_an_error() {
    let with = |signal: &str| parse_with(&format!(r#","config":{{"StopSignal":"{signal}"}}"#));
    for signal in ["", "SIGTERM", "term", "9", "64", "SIGRTMIN", "SIGRTMIN+3", "rtmax-14", "SIGPWR"]
    {
        with(signal).unwrap();
    }
    for signal in ["foo", "SIG", "SIGSIGTERM", "0", "65", "-9", "SIGRTMIN+16", "RTMIN-1", " 9"] {
        let error = with(signal).unwrap_err().to_string();
        assert!(error.starts_with(&format!("config.StopSignal is `{signal}`; write")), "{error}");
    }
}
