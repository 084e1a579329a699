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
