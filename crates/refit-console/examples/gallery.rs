//! Writes every page, with sample figures, into a folder, to be looked at: `cargo run -p refit-console --example
//! gallery -- FOLDER`. The style sheet is written beside them, so a browser can open the files as they are.
#![expect(clippy::unwrap_used, reason = "it says so when it fails")]

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::fs;
use std::path::PathBuf;

use refit_console::asset::ALL;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "gallery".into()));
    fs::create_dir_all(&folder).unwrap();
    for asset in ALL {
        fs::write(folder.join(asset.name), asset.text).unwrap();
    }
    for (name, mut html) in sample::pages() {
        for asset in ALL {
            html = html.replace(&asset.path(), asset.name);
        }
        fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}
