//! The pages that the product writes, as a browser shows them: `cargo xtask pages` looks for what is wrong, `cargo xtask
//! pictures` draws them for the documentation. Knows no test of the product itself.

mod browser;
mod pictures;
mod workspaces;

use std::path::{Path, PathBuf};

use crate::product;

/// Looks at all of them, in light and dark, on screens of 400 and 1,600 pixels.
///
/// # Errors
/// What is wrong with a page, or what kept it from being looked at.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let program = product::build(root).map_err(|error| error.to_string())?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    for page in pages(root, &program, folder.path())? {
        for scheme in ["light", "dark"] {
            let seen = browser::look(&page.path, scheme)?;
            println!("{}, {scheme}: {} checks", page.name, seen.checked);
            wrong.extend(seen.problems.into_iter().map(|problem| format!("{}, {scheme}: {problem}", page.name)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Makes the pictures of the documentation anew.
///
/// # Errors
/// What kept one from being made.
pub(crate) fn pictures(root: &Path) -> Result<(), String> {
    let program = product::build(root).map_err(|error| error.to_string())?;
    pictures::draw(root, &program)
}

struct Page {
    name: &'static str,
    path: PathBuf,
}

fn pages(root: &Path, program: &Path, folder: &Path) -> Result<Vec<Page>, String> {
    let iris = workspaces::iris(root, program, &folder.join("iris"))?;
    let hostile = workspaces::hostile(program, &folder.join("hostile"))?;
    let large = workspaces::large(program, &folder.join("large"))?;
    let page = |name, workspace: &Path, path: &str| Page { name, path: workspace.join("target/zen").join(path) };
    Ok(vec![
        page("iris", &iris, "reports/run-3.html"),
        page("iris, timings", &iris, "timings/run-2.html"),
        page("hostile", &hostile, "reports/run-2.html"),
        page("hostile, timings", &hostile, "timings/run-2.html"),
        page("2,000 steps", &large, "reports/run-1.html"),
    ])
}
