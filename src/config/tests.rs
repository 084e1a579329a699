use super::*;

fn load(overrides: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    let overrides: Vec<_> = overrides.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    Settings::of(&overrides)
}

fn problems(overrides: &[(&str, &str)]) -> Vec<String> {
    match load(overrides) {
        Err(ConfigError::Invalid(problems)) => problems.into_iter().map(|problem| problem.path).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bucket_is_all_that_is_needed() {
    let settings = load(&[("storage.bucket", "b")]).unwrap();
    assert_eq!(settings.rules, Rules::default());
    assert_eq!(settings.storage.time_limits, crate::storage::TimeLimits::default());
    assert_eq!(settings.storage.connection.style, AddressingStyle::VirtualHost);
}

#[test]
fn every_bad_setting_is_told_at_once() {
    let wrong = [
        ("listen", "nowhere"),
        ("urls.ttl", "8d"),
        ("uploads.part_size", "ten"),
        ("uploads.sign_limit", "5000"),
        ("storage.access_key_id", "a"),
        ("cors.origins", "app.example.com"),
        ("uploads.lifetyme", "7d"),
        ("storage.prefix", "/in"),
        ("storage.attempt_timeout", "2m"),
        ("storage.connect_timeout", "soon"),
    ];
    assert_eq!(
        problems(&wrong),
        [
            "cors.origins",
            "listen",
            "storage.attempt_timeout",
            "storage.bucket",
            "storage.connect_timeout",
            "storage.prefix",
            "storage.secret_access_key",
            "uploads.lifetyme",
            "uploads.part_size",
            "uploads.sign_limit",
            "urls.ttl",
        ]
    );
}

#[test]
fn open_mode_is_for_loopback_only() {
    assert_eq!(problems(&[("storage.bucket", "b"), ("listen", "0.0.0.0:8080")]), ["listen"]);
    assert!(load(&[("storage.bucket", "b"), ("listen", "[::1]:8080")]).is_ok());
}

#[test]
fn secrets_show_nowhere() {
    let settings = load(&[
        ("storage.bucket", "b"),
        ("storage.access_key_id", "id"),
        ("storage.secret_access_key", "hunter2"),
        ("database", "postgres://partgate:hunter2@db/partgate"),
    ])
    .unwrap();
    // `partgate config` prints `effective`, which is part of the settings.
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn numbers_in_the_environment_are_text_until_read() {
    let settings = load(&[("storage.bucket", "123"), ("uploads.part_size", "8000000")]).unwrap();
    assert_eq!(settings.storage.connection.bucket, "123");
    assert_eq!(settings.rules.part_size_bytes, 8_000_000);
}

#[test]
fn all_orphans_are_swept_only_under_a_prefix_of_our_own() {
    let all = [("storage.bucket", "b"), ("sweep.orphans", "all")];
    assert_eq!(problems(&all), ["sweep.orphans"]);
    let settings = load(&[all[0], all[1], ("storage.prefix", "in/")]).unwrap();
    assert_eq!(settings.rules.orphans, Orphans::All);
}

#[test]
fn database_is_sqlite_or_postgresql() {
    for url in
        ["sqlite://a.db", "sqlite::memory:", "postgres://u:p@db/name", "postgresql://db/name?sslmode=require"]
    {
        assert!(load(&[("storage.bucket", "b"), ("database", url)]).is_ok(), "{url}");
    }
    for url in ["mysql://u:hunter2@db/name", "postgres:db", "gateway.db", "db:5432/name"] {
        let refused = load(&[("storage.bucket", "b"), ("database", url)]).unwrap_err().to_string();
        assert!(refused.contains("database: not of the form sqlite://path or postgres://"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }
}

#[test]
fn connections_are_limited() {
    for limit in ["0", "1001", "-1", "many"] {
        let set = [("storage.bucket", "b"), ("database_connections", limit)];
        assert_eq!(problems(&set), ["database_connections"], "{limit}");
    }
    assert_eq!(load(&[("storage.bucket", "b")]).unwrap().database_connections, 16);
}

/// A file in a folder of its own, and its path.
fn file_with(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, text).unwrap();
    (dir, path.to_str().unwrap().to_owned())
}

#[test]
fn secrets_come_from_files_too() {
    let (_key, key) = file_with("hunter2\r\n");
    let (_token, token) = file_with("to ken==");
    let (_database, database) = file_with("postgres://partgate:hunter2@db/partgate\n");
    let settings = load(&[
        ("storage.bucket", "b"),
        ("storage.access_key_id", "id"),
        ("storage.secret_access_key_file", &key),
        ("storage.session_token_file", &token),
        ("storage.signer.access_key_id", "signer"),
        ("storage.signer.secret_access_key_file", &key),
        ("database_file", &database),
        ("database", ""),
    ])
    .unwrap();
    let keys = settings.storage.connection.keys.as_ref().unwrap();
    assert_eq!((&*keys.secret_access_key, keys.session_token.as_deref()), ("hunter2", Some("to ken==")));
    assert_eq!(settings.storage.connection.signer.as_ref().unwrap().secret_access_key, "hunter2");
    assert_eq!(settings.database.expose(), "postgres://partgate:hunter2@db/partgate");
    let shown = settings.effective.iter().find(|shown| shown.path == "database").unwrap();
    assert_eq!((&shown.value, &shown.origin), (&Some("[hidden]".to_owned()), &Origin::SecretFile(database)));
    let all = format!("{settings:?}");
    assert!(!all.contains("hunter2") && !all.contains("to ken"), "{all}");
}

#[test]
fn file_of_a_secret_that_cannot_be_used_is_named() {
    let (_empty, empty) = file_with("\n");
    let with = |more: &[(&str, &str)]| {
        let usual = [("storage.bucket", "b"), ("storage.access_key_id", "id")];
        load(&[&usual, more].concat()).unwrap_err().to_string()
    };
    let told = with(&[("storage.secret_access_key_file", "/no/such/file")]);
    assert_eq!(
        told,
        "1 bad setting:\n  storage.secret_access_key_file: /no/such/file: No such file or directory (os error 2)"
    );
    let told = with(&[("storage.secret_access_key_file", &empty)]);
    assert!(told.ends_with(&format!("storage.secret_access_key_file: {empty}: it is empty")), "{told}");
    let told = with(&[("storage.secret_access_key", "hunter2"), ("storage.secret_access_key_file", &empty)]);
    assert!(
        told.contains("storage.secret_access_key_file: set, and so is storage.secret_access_key"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn session_token_is_that_of_keys() {
    assert_eq!(
        problems(&[("storage.bucket", "b"), ("storage.session_token", "t")]),
        ["storage.session_token"]
    );
}

#[test]
fn lists_of_secrets_are_read_from_each_place() {
    let (_file, file) = file_with("a:1,2\n\n b:3 \n");
    let list = |mut reader: Reader, path: &str| -> Vec<String> {
        reader.secret_list(path).iter().map(|secret| secret.expose().to_owned()).collect()
    };
    let set = |path: &str, value: &str| Reader::of(&[(path, value.to_owned())]);
    assert_eq!(list(set("s", "a:1, b:3,"), "s"), ["a:1", "b:3"]);
    assert_eq!(list(set("s_file", &file), "s"), ["a:1,2", "b:3"]);
    assert_eq!(list(set("s", ""), "s"), Vec::<String>::new());
    let (_toml, toml) = file_with("[auth]\ntoken_secrets = [\"a:1,2\"]\n");
    let reader = Reader::load(Some(Path::new(&toml)), &[]).unwrap();
    assert_eq!(list(reader, "auth.token_secrets"), ["a:1,2"]);
}

#[test]
fn sections_with_names_are_found() {
    let (_toml, toml) =
        file_with("[tenants.zoo]\n[tenants.acme]\nbucket = \"b\"\nlimits.a = 1\n[tenantsx.no]\n");
    let flags = [("tenants.acme.prefix", "a/".to_owned()), ("tenants.bee.prefix", "b/".to_owned())];
    let reader = Reader::load(Some(Path::new(&toml)), &flags).unwrap();
    assert_eq!(reader.names_under("tenants"), ["acme", "bee", "zoo"]);
    assert_eq!(reader.names_under("tenants.acme"), ["bucket", "limits", "prefix"]);
    assert_eq!(reader.names_under("auth.issuers"), Vec::<String>::new());
}

#[test]
fn traces_go_where_a_collector_is_set() {
    let with = |more: &[(&'static str, &'static str)]| load(&[&[("storage.bucket", "b")], more].concat());
    assert_eq!(with(&[]).unwrap().traces, None, "off by default");
    let traces =
        with(&[("telemetry.otlp_endpoint", "http://collector:4318/"), ("telemetry.sample_ratio", "0.1")]);
    let expected = TraceSettings {
        endpoint: "http://collector:4318".to_owned(),
        service_name: "partgate".to_owned(),
        sample_ratio: 0.1,
    };
    assert_eq!(traces.unwrap().traces, Some(expected));
    for endpoint in ["collector:4317", "http://user:secret@collector:4318", "grpc://collector"] {
        let wrong = [("storage.bucket", "b"), ("telemetry.otlp_endpoint", endpoint)];
        assert_eq!(problems(&wrong), ["telemetry.otlp_endpoint"], "{endpoint}");
    }
    assert_eq!(
        problems(&[("storage.bucket", "b"), ("telemetry.sample_ratio", "10")]),
        ["telemetry.sample_ratio"]
    );
}

#[test]
fn profile_lies_under_the_settings_and_over_the_defaults() {
    let (_profile, profile) = file_with(
        "# a comment\nconditional_writes = false\nlists_checksums = false\nchecksum_algorithms = [\"md5\"]\n\
         min_part_size = 1\n",
    );
    let set = [
        ("storage.bucket", "b"),
        ("storage.profile", &profile),
        ("storage.lists_checksums", "true"),
        ("storage.min_part_size", ""),
    ];
    let settings = load(&set).unwrap();
    let used = &settings.storage.profile;
    assert!(!used.conditional_writes && used.lists_checksums);
    assert_eq!(used.checksum_algorithms, [ChecksumAlgorithm::None, ChecksumAlgorithm::Md5]);
    assert_eq!(used.limits.min_part_bytes, 1);
    let origin =
        |path: &str| settings.effective.iter().find(|shown| shown.path == path).unwrap().origin.clone();
    assert_eq!(origin("storage.conditional_writes"), Origin::Profile(profile.clone()));
    assert_eq!(origin("storage.lists_checksums"), Origin::Flag);
}

#[test]
fn profile_that_cannot_be_used_is_named() {
    let (_profile, profile) = file_with("conditional_writes = false\nbucket = \"other\"\n");
    let told =
        |file: &str| load(&[("storage.bucket", "b"), ("storage.profile", file)]).unwrap_err().to_string();
    assert!(told("/no/such/file").contains("storage.profile: /no/such/file: No such file"));
    assert!(told(&profile).contains("storage.profile: \"bucket\" is not of a profile"));
}
