//! What commands print: sizes and times for people, JSON for scripts, progress on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use partgate_client::{Error, Gateway, Phase, Progress};
use serde::Serialize;

use super::CliError;

/// Without a terminal, a line of progress is written this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// So many parts that failed are told one by one.
const TROUBLES_SHOWN: u32 = 5;

/// Which gateway a command talks to.
#[derive(Debug, clap::Args)]
pub(crate) struct Connection {
    /// The gateway's address
    #[arg(
        long = "to",
        value_name = "URL",
        env = "PARTGATE_URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Gateway"
    )]
    pub(crate) to: String,
    /// Bearer token, where the gateway asks for one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PARTGATE_TOKEN",
        hide_env_values = true,
        help_heading = "Gateway"
    )]
    pub(crate) token: Option<String>,
}

impl Connection {
    pub(crate) fn gateway(&self) -> Result<Gateway, Error> {
        Gateway::builder(&self.to).token(self.token.clone()).build()
    }
}

/// How much a command says while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Nothing but errors.
    Quiet,
    /// Progress on stderr.
    Progress,
}

/// One JSON document on one line of stdout.
pub(crate) fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print_line(&text),
        Err(error) => eprintln!("error: cannot write JSON: {error}"),
    }
}

/// A line on stdout. A reader that went away (`| head`) is no error of ours.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// All the words of an error and its causes.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        // Errors of some crates say their cause themselves.
        if !words.ends_with(&cause_words) {
            words.push_str(&format!(": {cause_words}"));
        }
        source = cause.source();
    }
    words
}

/// A command that could not do its work, with all the words of the reason.
pub(crate) fn failed(error: impl std::error::Error) -> CliError {
    CliError::Failed(words(&error))
}

/// A size for people: `999 B`, `1.5 MiB`.
pub(crate) fn human_size(size_bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size_bytes < 1024 {
        return format!("{size_bytes} B");
    }
    let mut size = size_bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be written as 1024 is written as 1 of the next unit.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A time left for people, rounded as they speak: `5 s`, `2 min`, `1 h 20 min`.
pub(crate) fn human_time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..20 => format!("{} s", seconds.max(1)),
        20..60 => format!("{} s", seconds.div_ceil(5) * 5),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..86_400 => {
            let minutes = (seconds % 3600) / 600 * 10;
            let hours = seconds / 3600;
            if minutes == 0 { format!("{hours} h") } else { format!("{hours} h {minutes} min") }
        }
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The progress of one file on stderr: a bar on a terminal, a line now and then elsewhere.
pub(crate) struct ProgressView {
    name: String,
    bar: Option<ProgressBar>,
    lines: bool,
    last_line: Instant,
    troubles: u32,
}

impl ProgressView {
    pub(crate) fn new(name: &str, verbosity: Verbosity) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let wanted = verbosity == Verbosity::Progress;
        Self {
            name: name.to_owned(),
            bar: (wanted && terminal).then(new_bar),
            lines: wanted && !terminal,
            last_line: Instant::now(),
            troubles: 0,
        }
    }

    /// Shows where the upload is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let state = state_words(progress);
        if let Some(bar) = &self.bar {
            if let Some(total_bytes) = progress.total_bytes {
                bar.set_length(total_bytes);
            }
            bar.set_position(progress.sent_bytes());
            bar.set_prefix(self.name.clone());
            bar.set_message(state);
        } else if self.lines && self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            eprintln!("{}: {}, {state}", self.name, amount(progress));
        }
    }

    /// Says that something failed and is tried again; after a few times that is only counted.
    pub(crate) fn trouble(&mut self, line: &str) {
        self.troubles += 1;
        if self.troubles <= TROUBLES_SHOWN {
            self.note(line);
        }
        if self.troubles == TROUBLES_SHOWN {
            self.note("(more of that is counted, not shown)");
        }
    }

    /// Says something on a line of its own, above the bar.
    pub(crate) fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.lines => eprintln!("{line}"),
            None => {}
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let template = "{prefix:.bold} [{bar:24}] {bytes}/{total_bytes} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn amount(progress: &Progress) -> String {
    let sent = progress.sent_bytes();
    match progress.total_bytes {
        // 100 % is said only when complete has answered.
        Some(total @ 1..) => {
            let percent = (sent as f64 / total as f64 * 100.0).min(99.9);
            format!("{} of {} ({percent:.1} %)", human_size(sent), human_size(total))
        }
        _ => human_size(sent),
    }
}

fn state_words(progress: &Progress) -> String {
    match progress.phase {
        Phase::Preparing => "opening".into(),
        Phase::Proving => "comparing with what is stored".into(),
        Phase::Waiting => "waiting for the network".into(),
        Phase::Completing => "completing".into(),
        Phase::Completed => "done".into(),
        _ => {
            let rate = format!("{}/s", human_size(progress.bytes_per_second as u64));
            let left = progress.time_left.map(|left| format!(", {} left", human_time(left)));
            let retries = (progress.retries > 0).then(|| format!(", {} sent again", progress.retries));
            rate + &left.unwrap_or_default() + &retries.unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_binary_units() {
        let sizes = [0, 999, 1024, 1536, 1_048_575, 1 << 20, 10 << 30, u64::MAX];
        let written = sizes.map(human_size);
        assert_eq!(
            written,
            ["0 B", "999 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "10.0 GiB", "16.0 EiB"]
        );
    }

    #[test]
    fn times_are_rounded_as_people_speak() {
        let times = [0, 7, 41, 61, 3_600, 4_900, 200_000];
        let spoken = times.map(|seconds| human_time(Duration::from_secs(seconds)));
        assert_eq!(spoken, ["1 s", "7 s", "45 s", "2 min", "1 h", "1 h 20 min", "2 d"]);
    }

    #[test]
    fn a_hundred_percent_is_never_said_early() {
        let progress = Progress { total_bytes: Some(10), stored_bytes: 10, ..Progress::default() };
        assert!(amount(&progress).contains("99.9 %"));
    }
}
