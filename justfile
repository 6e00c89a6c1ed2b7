# What people run here. `just` lists it; `.ci/run` runs the same recipes.

# The flags under which warnings are errors, without rebuilding everything for them.
deny := "-D warnings"

[private]
default:
    @just --list --unsorted

# Run the coding agent, record it, show the graph of its run
example *ARGS:
    cargo run --release -p example-agent {{ARGS}}

# All tests
test:
    cargo test --workspace

# Everything CI runs, in its order
ci: fmt clippy docs no-features test example-cold otlp

# Formatting
fmt:
    cargo fmt --all --check

# Lints, as errors
clippy:
    cargo clippy --workspace --all-targets --all-features -- {{deny}}

# Documentation, warnings as errors
docs:
    RUSTDOCFLAGS="{{deny}}" cargo doc --workspace --all-features --no-deps

# The library as a user of the layer alone builds it: without the CLI's dependencies
no-features:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --package otel-trace --lib --no-default-features
    tree=$(cargo tree --package otel-trace --no-default-features --edges normal --prefix none)
    if grep -E '^(clap|anyhow|indicatif|tar|tempfile|zstd|opentelemetry|tokio|reqwest|http|tower-service) ' <<< "$tree"; then exit 1; fi

# The main job on a scratch directory of bundles, then the binary on what it left
example-cold:
    #!/usr/bin/env bash
    set -euo pipefail
    traces=$(mktemp -d)
    trap 'rm -rf "$traces"' EXIT
    OTEL_TRACE_ROOT="$traces" cargo run --release -p example-agent
    cargo run --quiet --features cli -- reduce --strict "$traces"/trace-*

# What a collector that nobody here wrote receives of the example's run, live and exported, and of the conformance cases
otlp:
    #!/usr/bin/env bash
    set -euo pipefail
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    python3 -m pip install --quiet --disable-pip-version-check --target "$scratch/rotel" rotel
    OTEL_TRACE_ROOT="$scratch/traces" cargo run --release -p example-agent
    export OTEL_TRACE_ROTEL="$scratch/rotel/rotel/rotel-agent" OTEL_TRACE_ROTEL_RUNS="$scratch/traces"
    export OTEL_TRACE_ROTEL_AGENT="$PWD/target/release/example-agent"
    cargo test --test otlp_rotel -- --ignored

# What Phoenix makes of the example's run: kinds, token counts, messages. Installs half a gigabyte
phoenix:
    #!/usr/bin/env bash
    set -euo pipefail
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    python3 -m venv "$scratch/venv"
    "$scratch/venv/bin/pip" install --quiet --disable-pip-version-check arize-phoenix
    OTEL_TRACE_ROOT="$scratch/traces" cargo run --release -p example-agent
    export OTEL_TRACE_PHOENIX="$scratch/venv/bin/phoenix" OTEL_TRACE_PHOENIX_RUNS="$scratch/traces"
    cargo test --test otlp_phoenix -- --ignored --nocapture

# What recording, exporting and reducing cost, each against its peers in one run
bench:
    cargo bench --bench layer
    cargo bench --bench otlp
    cargo bench --bench reduce

# Fuzz the reducer, so many seconds a target: any bytes as a log, as every payload, as a body of a model API, as a whole bundle
fuzz SECONDS="60":
    #!/usr/bin/env bash
    set -euo pipefail
    command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
    # Coverage needs flags of the compiler that are not stable; the toolchain itself is.
    export RUSTC_BOOTSTRAP=1
    cargo run --quiet --manifest-path fuzz/Cargo.toml --bin seed
    for target in log payloads provider bundle; do
        cargo fuzz run "$target" -- -max_total_time={{SECONDS}} -timeout=20 -rss_limit_mb=2048 -max_len=262144 -print_final_stats=1
    done

# Everything an agent does, in several threads, to files, packs, a queue and within bounds, for so long and so many spans: fails where memory or open files grow
soak SECONDS="600" SPANS="1000000":
    OTEL_TRACE_SOAK_SECONDS={{SECONDS}} OTEL_TRACE_SOAK_SPANS={{SPANS}} cargo test --release --test layer_soak -- --exact --nocapture memory_and_open_files_stay_flat_under_mixed_load

# Kill hundreds of recording processes at random moments, and check what each left; then a body of 10 GB
survive N="300":
    OTEL_TRACE_KILLS={{N}} cargo test --release --test survival -- --nocapture --test-threads=1
    OTEL_TRACE_BODY_BYTES=10000000000 cargo test --release --test survival -- --exact huge_body_takes_bounded_memory_and_keeps_length_and_hash
