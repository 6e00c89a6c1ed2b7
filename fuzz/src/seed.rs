//! Creates the initial fuzzing corpora from the conformance cases and the streams of the tests.

use std::fs;
use std::io;
use std::path::Path;

use otel_trace_fuzz::SEPARATOR;

/// Maximum size of a seed of a whole bundle, in bytes: larger seeds are slow to mutate.
const MAX_SEED: usize = 256 * 1024;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = here.join("corpus");
    for target in ["log", "payloads", "provider", "streams", "masking", "pack", "bundle"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for case in fs::read_dir(here.join("../tests/conformance"))? {
        let case = case?.path();
        let name = case.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let log = fs::read(case.join("trace.jsonl"))?;
        fs::write(corpus.join("log").join(&name), &log)?;
        let mut bundle = log;
        for number in 1.. {
            let Ok(body) = fs::read(case.join(format!("payloads/{number}.json"))) else { break };
            for target in ["payloads", "provider", "masking"] {
                fs::write(corpus.join(target).join(format!("{name}-{number}")), &body)?;
            }
            if bundle.len() + body.len() < MAX_SEED {
                bundle.extend_from_slice(SEPARATOR);
                bundle.extend_from_slice(&body);
            }
        }
        // A byte before each payload chooses its thread and kind: the first of a line or a body will do.
        fs::write(corpus.join("pack").join(&name), &bundle)?;
        fs::write(corpus.join("bundle").join(&name), bundle)?;
    }
    for stream in fs::read_dir(here.join("../tests/reduce/data/streams"))? {
        let stream = stream?.path();
        let name = stream.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        fs::copy(&stream, corpus.join("streams").join(name))?;
    }
    Ok(())
}
