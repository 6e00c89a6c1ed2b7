//! `otel-trace completions`

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::parallel::report_error;
use super::{Cli, Status, output};

/// Print the script with which a shell completes commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  otel-trace completions bash > ~/.local/share/bash-completion/completions/otel-trace
  otel-trace completions zsh > \"${fpath[1]}/_otel-trace\"
  otel-trace completions fish > ~/.config/fish/completions/otel-trace.fish")]
pub(super) struct Args {
    /// Shell that reads the script
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Status {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "otel-trace", &mut script);
    if args.shell == Shell::Bash {
        script = with_own_names(&script).into_bytes();
    }
    let printed = output::print_with(|mut stdout| std::io::Write::write_all(&mut stdout, &script));
    printed.map_or_else(|error| report_error(&error), |()| Status::Complete)
}

/// Mends the script for bash: clap_complete names the state of a command whose name has a `-` in one way where it sets it,
/// and in another where it reads it, so that nothing is completed behind a subcommand.
fn with_own_names(script: &[u8]) -> String {
    String::from_utf8_lossy(script).replace("otel__subcmd__trace", "otel__trace")
}
