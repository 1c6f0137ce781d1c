//! A stock browser for the tests: Chromium without windows, with the libraries that it needs, and livekit-client for a page.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::catalog::{Item, Recipe};
use super::package::{Package, Registry};
use super::{Setup, models};

/// Chromium's headless shell, built for servers: MIT, Chromium BSD-3-Clause. Its libraries: NSS and NSPR MPL-2.0, Expat
/// MIT.
static CHROMIUM: Package = Package {
    registry: Registry::Npm,
    name: "@sparticuz/chromium",
    version: "153.0.0",
    bytes: 69_995_309,
    sha256: "20e5656fcdcf4118ede85edfb9d6bb9cc1bbb7ffb8b75622fffbcf36a835c3c0",
};
/// Apache-2.0.
static LIVEKIT: Package = Package {
    registry: Registry::Npm,
    name: "livekit-client",
    version: "2.23.0",
    bytes: 2_992_351,
    sha256: "993eafb83afb4c566bb388108ad6469bf499d76200014c96c35fe3b39fee859d",
};
/// What the program calls itself.
const CHROMIUM_VERSION: &str = "153.0.8010.0";

/// The program in the cache.
pub(crate) const PROGRAM: &str = "browser/chromium";
/// livekit-client in the cache, as one script.
pub(crate) const LIVEKIT_CLIENT: &str = "browser/livekit-client.umd.js";

/// A library that a machine without a desktop may lack. All lie in the folder `lib` beside the program.
macro_rules! library {
    ($name:literal, $bytes:literal, $sha256:literal) => {
        Item {
            path: concat!("browser/lib/", $name),
            bytes: $bytes,
            sha256: $sha256,
            recipe: Recipe::BrotliTar(&CHROMIUM, "package/bin/al2023.tar.br", concat!("lib/", $name)),
        }
    };
}

/// All files.
pub(crate) static FILES: &[Item] = &[
    library!("libexpat.so.1", 202_328, "b6469f9229d71eb9ea477127d79f96b224e7615e381296babf748d2eeab4c528"),
    library!("libnspr4.so", 264_800, "604496a3e00be99388f39405932d441fb72a6150a9c5ed60405b42aa1d8f4890"),
    library!("libnss3.so", 1_306_720, "f1daddb90577adad7bc644bf5fd7511b5c2a0a11db6d76f71dc51afcf09664b5"),
    library!("libnssutil3.so", 224_152, "5160a03b844266c763cd2579ff1183b6179424e9cf8bed87af4f36ff2100789a"),
    library!("libplc4.so", 24_144, "dabf51b4cb5c5c03ad3b79ec3492e15611022de69d0d8dfb6c5d66d35e86d2ee"),
    library!("libplds4.so", 15_888, "a1753d3da3586f695ff8867b62fed7fecf064deaaf3202143e485ad6d08c949c"),
    Item {
        path: PROGRAM,
        bytes: 209_022_176,
        sha256: "53a15d6c3a3d27dfb54c4ba60278b1683136f70cf1e67e989da7dfbd3d451ef0",
        recipe: Recipe::Brotli(&CHROMIUM, "package/bin/chromium.br"),
    },
    Item {
        path: LIVEKIT_CLIENT,
        bytes: 610_302,
        sha256: "fb646f2260d84f91238d0a2dc10726c456631d6a26c7cafc43cfee5959b4d31d",
        recipe: Recipe::Member(&LIVEKIT, "package/dist/livekit-client.umd.js"),
    },
];

/// The versions, for reports.
pub(crate) fn versions() -> String {
    format!("Chromium {CHROMIUM_VERSION} with livekit-client {}", LIVEKIT.version)
}

/// Makes sure of the files, and that the browser runs here.
pub(crate) fn setup(setup: &mut Setup) -> Result<()> {
    models::setup(setup, FILES)?;
    let program = setup.cache.path(PROGRAM);
    fs::set_permissions(&program, Permissions::from_mode(0o755)).context("cannot make the browser executable")?;
    let mut command = Command::new(&program);
    command.arg("--version").env("LD_LIBRARY_PATH", program.with_file_name("lib")).stdin(Stdio::null());
    let out = command.output().context("cannot start the browser")?;
    let said = String::from_utf8_lossy(&out.stdout);
    if said.trim() != format!("Chromium {CHROMIUM_VERSION}") {
        bail!("the browser does not run on this system: {}{}", said, String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}
