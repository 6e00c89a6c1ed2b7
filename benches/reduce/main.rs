//! Measures reducing a bundle, as a ratio to one parse of its bytes in the same run: `cargo bench --bench reduce`.
//!
//! No ratio is asserted. Each job runs in a separate process, in turn with its peer, on files in the page cache.

mod child;
mod session;
mod table;

use std::error::Error;

use child::Job;
use session::{Requests, Session};
use table::{Row, Table};

type Failure = Box<dyn Error>;

/// Number of runs of each job.
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "the table is the output of this program")]
fn main() -> Result<(), Failure> {
    if child::main()? {
        return Ok(());
    }
    // `cargo test --benches` runs this program without the flag, as a smoke test.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let plan: &[(Requests, &[usize])] = if is_bench {
        &[(Requests::Full, &[250, 500, 1000]), (Requests::Incremental, &[250, 1000, 2000, 4000, 8000, 10_000, 20_000])]
    } else {
        &[(Requests::Full, &[3, 6]), (Requests::Incremental, &[3, 6])]
    };
    let rounds = if is_bench { ROUNDS } else { 1 };
    let mut table = Table::default();
    for (requests, lengths) in plan {
        for &calls in *lengths {
            // In the target directory, since the temporary directory may be in memory.
            let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
            let session = Session::create(scratch.path(), *requests, calls)?;
            table.0.push(measure(&session, rounds)?);
        }
    }
    if is_bench {
        println!("{table}");
    } else {
        println!("Each job was done once; `cargo bench --bench reduce` measures them.");
    }
    Ok(())
}

fn measure(session: &Session, rounds: usize) -> Result<Row, Failure> {
    // Loads the files into the page cache.
    child::run(Job::Parse, &session.path)?;
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        pairs.push((child::run(Job::Reduce, &session.path)?, child::run(Job::Parse, &session.path)?));
    }
    Ok(Row::from_pairs(session, &pairs))
}
