//! Chromium without a screen: what a script finds wrong with a page, and how the page looks.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

const CHECK: &str = include_str!("check.js");

/// What was found.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// How many things were looked at.
    pub(super) checked: u32,
    /// What is wrong.
    pub(super) problems: Vec<String>,
}

/// Looks at a page.
///
/// # Errors
/// The browser cannot be started, or did not come to an end of it.
pub(super) fn look(page: &Path, scheme: &str) -> Result<Seen, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let harness = folder.path().join("look.html");
    let address = serde_json::Value::from(format!("file://{}", page.display()));
    let html = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<iframe id=\"page\" style=\"height:900px;border:0\"></iframe>\n<pre id=\"result\"></pre>\n\
         <script>const address = {address}; const scheme = \"{scheme}\";\n{CHECK}</script>\n"
    );
    std::fs::write(&harness, html).map_err(|error| error.to_string())?;
    // The frame is of another file: only so may the script look into it.
    let mut chromium = chromium(folder.path(), scheme);
    chromium.args([
        "--disable-web-security",
        "--allow-file-access-from-files",
        "--virtual-time-budget=60000",
        "--dump-dom",
    ]);
    let output = chromium.arg(&harness).output().map_err(|error| format!("chromium cannot be started: {error}"))?;
    let dom = String::from_utf8_lossy(&output.stdout);
    let result = dom.split_once("<pre id=\"result\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = result.map(|(text, _)| decoded(text)).unwrap_or_default();
    let seen: Seen = serde_json::from_str(&text).map_err(|error| {
        format!(
            "{} was not looked at to its end ({error}): {}",
            page.display(),
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    if seen.checked < 10 {
        return Err(format!("{}: only {} checks were made", page.display(), seen.checked));
    }
    Ok(seen)
}

/// Takes a picture of a page.
///
/// # Errors
/// The browser cannot be started, or left no picture.
pub(super) fn picture(page: &str, scheme: &str, size: (u32, u32), to: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut chromium = chromium(folder.path(), scheme);
    chromium.args(["--hide-scrollbars", "--virtual-time-budget=5000", &format!("--window-size={},{}", size.0, size.1)]);
    chromium.arg(format!("--screenshot={}", to.display())).arg(page);
    let before = to.metadata().and_then(|metadata| metadata.modified()).ok();
    let output = chromium.output().map_err(|error| format!("chromium cannot be started: {error}"))?;
    match to.metadata().and_then(|metadata| metadata.modified()) {
        Ok(at) if Some(at) != before => Ok(()),
        _ => Err(format!("no picture of {page}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// What it may be called.
const BROWSERS: [&str; 3] = ["chromium", "google-chrome", "chromium-browser"];

fn chromium(profile: &Path, scheme: &str) -> Command {
    let is_there = |name: &&&str| {
        let asked = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    // Where there is none, starting it says so.
    let mut command = Command::new(BROWSERS.iter().find(is_there).unwrap_or(&BROWSERS[0]));
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]);
    command.arg(format!("--user-data-dir={}", profile.display())).stdin(Stdio::null());
    // The preference of the system: 0 is dark, 1 is light.
    let preferred = if scheme == "dark" { 0 } else { 1 };
    command.arg(format!("--blink-settings=preferredColorScheme={preferred}"));
    command
}

/// What `encodeURIComponent` made of a text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            _ => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_encoded_is_read() {
        assert_eq!(decoded("%7B%22a%22%3A%20%22%C3%A9%20%25%22%7D%"), "{\"a\": \"é %\"}%");
    }
}
