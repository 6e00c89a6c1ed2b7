# The commands of this repository. `just` lists them; `.ci/run` and the GitHub workflow run the same recipes.

# Passed to Clippy and rustdoc only: in RUSTFLAGS, it would rebuild all dependencies.
warnings := "-D warnings"

[private]
default:
    @just --list --unsorted

# Run the coding agent example, record the run and print its graph
example *ARGS:
    cargo run --release -p example-agent {{ARGS}}

# Run all tests
test:
    cargo test --workspace

# Run everything that CI runs, in its order. Recipes that follow `clippy` and `test` select the same packages and kinds of
# targets, so that dependencies have the same features and are compiled once for checks and once for tests
ci: fmt clippy docs no-features static-level test example-cold otlp

# Make the list of prices of the newest genai-prices
prices:
    #!/usr/bin/env bash
    set -euo pipefail
    wheels=$(mktemp -d)
    trap 'rm -rf "$wheels"' EXIT
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$wheels" genai-prices
    python3 src/view/price/import.py "$wheels"/*.whl > "$wheels"/prices.json
    mv "$wheels"/prices.json src/view/price/prices.json

# Check the formatting
fmt:
    cargo fmt --all --check

# Run Clippy on all targets; warnings are errors
clippy:
    cargo clippy --workspace --all-targets --all-features -- {{warnings}}

# Build the documentation; warnings are errors. There is no example target; `--examples` adds the features of
# dev-dependencies, with which `clippy` has checked all dependencies
docs:
    RUSTDOCFLAGS="{{warnings}}" cargo doc --workspace --all-features --no-deps --lib --bin 'example-*' --examples

# Build the library without features and check that it has none of their dependencies
no-features:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --package otel-trace --lib --no-default-features
    tree=$(cargo tree --package otel-trace --no-default-features --edges normal --prefix none)
    if grep -E '^(clap|anyhow|indicatif|tar|tempfile|zstd|opentelemetry|tokio|reqwest|http|tower-service) ' <<< "$tree"; then exit 1; fi

# Its feature of `tracing` would count for all packages of the workspace, so it is in none of theirs. `no-features` has
# compiled most of its dependencies.
# Test a program that is compiled without spans
static-level:
    cargo test --locked --manifest-path tests/static_level/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}"

# Record the coding agent example in an empty directory, then reduce its bundle with the CLI
example-cold:
    #!/usr/bin/env bash
    set -euo pipefail
    traces=$(mktemp -d)
    trap 'rm -rf "$traces"' EXIT
    OTEL_TRACE_ROOT="$traces" cargo run --release -p example-agent
    # Built with the features with which `test` builds it.
    cargo build --quiet --workspace --bin otel-trace --test cli
    "${CARGO_TARGET_DIR:-target}"/debug/otel-trace reduce --strict "$traces"/trace-*

# Test live and exported spans against Rotel, an independent OpenTelemetry collector
otlp:
    #!/usr/bin/env bash
    set -euo pipefail
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    python3 -m pip install --quiet --disable-pip-version-check --target "$scratch/rotel" rotel
    OTEL_TRACE_ROOT="$scratch/traces" cargo run --release -p example-agent
    export OTEL_TRACE_ROTEL="$scratch/rotel/rotel/rotel-agent" OTEL_TRACE_ROTEL_RUNS="$scratch/traces"
    export OTEL_TRACE_ROTEL_AGENT="$(realpath "${CARGO_TARGET_DIR:-target}")/release/example-agent"
    cargo test --workspace --test otlp -- --ignored rotel::

# Test exported spans against Arize Phoenix: span kinds, token counts, messages (downloads 0.5 GB)
phoenix:
    #!/usr/bin/env bash
    set -euo pipefail
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check arize-phoenix
    OTEL_TRACE_ROOT="$scratch/traces" cargo run --release -p example-agent
    export OTEL_TRACE_PHOENIX="$scratch/venv/bin/phoenix" OTEL_TRACE_PHOENIX_RUNS="$scratch/traces"
    cargo test --workspace --test otlp -- --ignored --nocapture phoenix::

# Measure recording, exporting and reducing, as ratios to peers in the same run
bench:
    cargo bench --bench layer
    cargo bench --bench otlp
    cargo bench --bench reduce

# Fuzz readers and masking, so many seconds a target: any bytes as a log, payloads, a body, a stream, text, a pack, a bundle
fuzz SECONDS="60":
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
    # Coverage needs unstable compiler flags, which a stable toolchain rejects without this variable.
    export RUSTC_BOOTSTRAP=1
    cargo run --quiet --manifest-path fuzz/Cargo.toml --bin seed
    for target in log payloads provider streams masking pack bundle; do
        cargo fuzz run "$target" -- -max_total_time={{SECONDS}} -timeout=20 -rss_limit_mb=2048 -max_len=262144 -print_final_stats=1
    done

# Record a mixed load for at least SECONDS and SPANS, in all stores; fail if memory or open files grow
soak SECONDS="600" SPANS="1000000":
    OTEL_TRACE_SOAK_SECONDS={{SECONDS}} OTEL_TRACE_SOAK_SPANS={{SPANS}} cargo test --release --test soak -- --exact --nocapture leaks::memory_and_open_files_stay_flat_under_mixed_load

# Kill N recording processes at random moments and check their bundles; then record a body of 10 GB
survive N="300":
    OTEL_TRACE_KILLS={{N}} cargo test --release --test survival -- --nocapture --test-threads=1
    OTEL_TRACE_BODY_BYTES=10000000000 cargo test --release --test survival -- --exact huge_body_takes_bounded_memory_and_keeps_length_and_hash

# Record while each call of the file system fails in turn, in every way, with all stores and durabilities
faults:
    OTEL_TRACE_ALL_FAULTS=1 cargo test --workspace --test every_call

# Run what takes too long for each change: fuzzing of every target, failing calls of the file system, killed processes, memory
nightly FUZZ_SECONDS="900" KILLS="1000" SOAK_SECONDS="600":
    just faults
    just survive {{KILLS}}
    just soak {{SOAK_SECONDS}}
    just fuzz {{FUZZ_SECONDS}}

# Check dependencies: duplicate versions, licenses, sources; `just deny advisories` downloads RustSec's database
deny *CHECKS="bans licenses sources":
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
    cargo deny --locked --workspace check --deny unmatched-skip --deny unnecessary-skip {{CHECKS}}
