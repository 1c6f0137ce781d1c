//! Where the repository and its build output are.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or(xtask.clone(), Path::to_path_buf)
}

/// The build output folder: cargo has put this program into a folder of it, wherever it was told to.
pub(crate) fn target_dir() -> PathBuf {
    let here = std::env::current_exe().ok();
    here.as_deref()
        .and_then(|program| program.ancestors().nth(2))
        .map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// The cargo that runs us, for this workspace. It keeps the current folder, so that paths given by the user stay valid.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand);
    if subcommand != "fmt" {
        command.arg("--manifest-path").arg(root().join("Cargo.toml"));
    }
    // The variables cargo set for xtask itself do not concern its children.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if (text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_")) || text == "CARGO_BIN_NAME" {
            command.env_remove(&name);
        }
    }
    command
}
