//! The approval hook: reviews each tool call before it runs, and can block it.
//!
//! The hook recognizes a few irreversible commands by their text and does not detect attempts to disguise them. It is
//! no substitute for a sandbox.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tools::FunctionCall;

/// The approval hook of a project.
#[derive(Debug)]
pub(crate) struct Hook {
    project: PathBuf,
}

/// The decision of the hook about a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    Allow,
    /// Blocks the call. The reason is returned to the model.
    Block(String),
}

impl Hook {
    /// Creates a hook that blocks commands outside the directory `project`.
    pub(crate) fn new(project: &Path) -> Self {
        Self { project: project.canonicalize().unwrap_or_else(|_| project.to_owned()) }
    }

    /// Reviews a call that is about to run. Malformed arguments are allowed: the tool itself rejects them.
    pub(crate) fn review(&self, call: &FunctionCall) -> Decision {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let text = |key: &str| arguments[key].as_str().unwrap_or_default();
        let reason = match call.name.as_str() {
            "exec_command" => find_danger(text("cmd")).or_else(|| self.check_workdir(text("workdir"))),
            // The input may go to a shell.
            "write_stdin" => find_danger(text("chars")),
            _ => None,
        };
        reason.map_or(Decision::Allow, |reason| Decision::Block(format!("blocked by the approval hook: {reason}")))
    }

    /// Returns the reason to block a working directory outside the project.
    fn check_workdir(&self, workdir: &str) -> Option<String> {
        let dir = self.project.join(workdir).canonicalize().ok()?;
        (!dir.starts_with(&self.project)).then(|| format!("{workdir} is outside the project"))
    }
}

/// Returns the reason to block a shell script, as far as its words reveal one.
fn find_danger(script: &str) -> Option<String> {
    script.split([';', '&', '|', '\n', '(', ')', '`']).find_map(check_command)
}

/// Returns the reason to block a single command.
fn check_command(command: &str) -> Option<String> {
    let mut words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
    let program = words.find(|word| !is_wrapper(word))?;
    let words: Vec<&str> = words.collect();
    match program.rsplit('/').next()? {
        "rm" if has_flag(&words, 'r', "--recursive") && has_flag(&words, 'f', "--force") => {
            Some("`rm -rf` deletes what nobody can bring back".to_owned())
        }
        "git" if words.contains(&"push") => Some("`git push` publishes unreviewed commits".to_owned()),
        "sudo" | "doas" => Some(format!("`{program}` reaches beyond the project")),
        _ => None,
    }
}

/// Returns `true` for words that may precede the program: assignments, and programs that run another program.
fn is_wrapper(word: &str) -> bool {
    word.contains('=') || matches!(word, "env" | "exec" | "nohup" | "time" | "command" | "then" | "do" | "!" | "{")
}

fn has_flag(words: &[&str], short: char, long: &str) -> bool {
    words.iter().any(|word| *word == long || is_short(word) && word.to_lowercase().contains(short))
}

fn is_short(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(name: &str, arguments: &Value) -> Decision {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("src")).expect("a directory");
        let (call_id, name, arguments) = ("call_1".to_owned(), name.to_owned(), arguments.to_string());
        Hook::new(dir.path()).review(&FunctionCall { call_id, name, arguments })
    }

    #[test]
    fn irreversible_commands_are_blocked() {
        for cmd in [
            "rm -rf target",
            "cd /tmp && rm -r -f x",
            "rm -fR x",
            "rm --recursive --force x",
            "/bin/rm -rf x",
            "env A=1 rm -rf x",
            "git push origin main",
            "git -C . push",
            "echo hi; sudo make install",
            "echo $(rm -rf x)",
        ] {
            let Decision::Block(reason) = review("exec_command", &json!({"cmd": cmd})) else { panic!("{cmd}") };
            assert!(reason.starts_with("blocked by the approval hook: "), "{reason}");
            assert_ne!(review("write_stdin", &json!({"session_id": 1, "chars": cmd})), Decision::Allow, "{cmd}");
        }
    }

    #[test]
    fn everyday_commands_are_allowed() {
        for cmd in ["cargo test", "rm notes.txt", "rm -r target", "git status", "grep -rf words src", "echo rm -rf"] {
            assert_eq!(review("exec_command", &json!({"cmd": cmd})), Decision::Allow, "{cmd}");
        }
        assert_eq!(review("spawn_agent", &json!({"message": "rm -rf /"})), Decision::Allow, "no command is run");
        assert_eq!(review("exec_command", &json!(7)), Decision::Allow, "the tool rejects it");
    }

    #[test]
    fn workdirs_outside_the_project_are_blocked() {
        let at = |workdir: &str| review("exec_command", &json!({"cmd": "ls", "workdir": workdir}));
        assert_eq!(at("src"), Decision::Allow);
        assert_eq!(at("nowhere"), Decision::Allow, "the tool rejects it");
        for outside in ["..", "/", "src/../.."] {
            let Decision::Block(reason) = at(outside) else { panic!("{outside}") };
            assert!(reason.contains("outside the project"), "{reason}");
        }
    }
}
