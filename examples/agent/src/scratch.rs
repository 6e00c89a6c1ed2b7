//! The scratch project that the agent works on: a small crate with one wrong number in it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::terminal::CommandResult;
use crate::workspace::Workspace;

const MANIFEST: &str = r#"[package]
name = "crates-and-delivery"
version = "0.1.0"
edition = "2021"

# All its tests are in `tests`.
[lib]
test = false
doctest = false

# Whatever lies above this directory is another workspace.
[workspace]
"#;

/// An interactive program: it prompts for the price.
const SET_PRICE: &str = r#"#!/bin/sh
# Sets the price of a crate, and keeps the old file as src/lib.rs.orig.
set -eu
printf 'New price of a crate, in cents: '
read -r price
case $price in
'' | *[!0-9]*)
    echo "not a number: $price"
    exit 1
    ;;
esac
sed -i.orig "s/^const CRATE_CENTS: u64 = [0-9]*;/const CRATE_CENTS: u64 = $price;/" src/lib.rs
grep -n 'CENTS: u64' src/lib.rs
"#;

/// The scratch project. Its directory is removed on drop.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: TempDir,
    /// The original text of the tests, to detect changes.
    tests: String,
}

impl Scratch {
    /// Creates the project, with random numbers, so that no answer can be known in advance.
    pub(crate) fn create() -> Result<Self> {
        let crates = fastrand::u64(2..=40);
        let delivery = fastrand::u64(150..=900);
        let right = fastrand::u64(200..=5000);
        let wrong = right + fastrand::u64(1..=99);
        let tests = tests(crates, delivery, crates * right + delivery);

        let scratch = Self { dir: tempfile::Builder::new().prefix("example-agent-").tempdir()?, tests };
        let project = scratch.project();
        write(&project.join("Cargo.toml"), MANIFEST)?;
        write(&project.join("src/lib.rs"), &source(wrong, delivery))?;
        write(&project.join("set-price.sh"), SET_PRICE)?;
        write(&scratch.tests_path(), &scratch.tests)?;
        Ok(scratch)
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// Returns a workspace in which commands run in the project, with a `cargo` that stays inside it.
    pub(crate) fn workspace(&self) -> Workspace {
        let target = self.dir.path().join("target").into_os_string();
        let env = vec![
            ("CARGO_TARGET_DIR", target),
            ("CARGO_NET_OFFLINE", "true".into()),
            ("CARGO_TERM_COLOR", "never".into()),
            // A backtrace would be most of the output of the failing test.
            ("RUST_BACKTRACE", "0".into()),
        ];
        Workspace::new(&self.project(), env)
    }

    /// Runs the tests without the model, and checks that they are unchanged.
    pub(crate) async fn verify(&self) -> Result<Verification> {
        let tests = self.workspace().start("cargo test", Path::new(""), false)?.watch(|_| {})?.wait().await;
        let tests_untouched = fs::read_to_string(self.tests_path()).is_ok_and(|text| text == self.tests);
        Ok(Verification { tests, tests_untouched })
    }

    fn tests_path(&self) -> PathBuf {
        self.project().join("tests/order.rs")
    }
}

/// The state of the project after the run.
#[derive(Debug)]
pub(crate) struct Verification {
    tests: CommandResult,
    tests_untouched: bool,
}

impl Verification {
    pub(crate) fn is_fixed(&self) -> bool {
        self.tests.exit_code == 0 && self.tests_untouched
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tests.exit_code, self.tests_untouched) {
            (0, true) => f.write_str("fixed: `cargo test` passes, and the tests are untouched"),
            (0, false) => f.write_str("not fixed: `cargo test` passes, but the tests were changed"),
            (code, _) => write!(f, "not fixed: `cargo test` exits with {code}"),
        }
    }
}

fn source(price: u64, delivery: u64) -> String {
    format!(
        "//! What a shop charges.

/// The price of one crate, in cents. Change it with set-price.sh.
const CRATE_CENTS: u64 = {price};

/// What delivery costs, in cents, however many crates there are.
const DELIVERY_CENTS: u64 = {delivery};

/// The total of an order, in cents.
pub fn order_total(crates: u64) -> u64 {{
    crates * CRATE_CENTS + DELIVERY_CENTS
}}
"
    )
}

fn tests(crates: u64, delivery: u64, total: u64) -> String {
    format!(
        "use crates_and_delivery::order_total;

#[test]
fn an_empty_order_costs_its_delivery() {{
    assert_eq!(order_total(0), {delivery});
}}

#[test]
fn an_order_costs_what_the_price_list_says() {{
    assert_eq!(order_total({crates}), {total}, \"an order of {crates} crates\");
}}
"
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))
}
