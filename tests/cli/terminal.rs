//! Views on a terminal, a real pseudo-terminal, and in a pipe: width, colours, and a reader that stops.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::show::{command, run};
use crate::views::cases;

/// Runs the command on a terminal of this width, and returns what it wrote there.
fn on_terminal(args: &[&str], columns: u16, variable: Option<(&str, &str)>) -> String {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let mut child = command(args)
        .envs(variable)
        .env("TERM", "xterm-256color")
        .stdout(terminal.try_clone().unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(terminal);
    let mut written = Vec::new();
    // A terminal that nobody holds any more gives an error, not an end.
    let mut controller = File::from(controller);
    let mut buffer = [0; 4096];
    while let Ok(read) = controller.read(&mut buffer)
        && read > 0
    {
        written.extend_from_slice(&buffer[..read]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(written).unwrap()
}

/// Removes the sequences that select colours.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').unwrap().1)
}

#[test]
fn views_on_a_terminal_have_its_width_and_colours() {
    let case = cases().into_iter().find(|case| case.ends_with("everything")).unwrap();
    let case = case.to_str().unwrap();
    for args in [["show", case], ["cost", case]] {
        let coloured = on_terminal(&args, 77, None);
        assert!(coloured.contains("\u{1b}[1m"), "{coloured:?}");
        let plain = without_colours(&coloured);
        let piped = run(&[&args[..], &["--width", "77"]].concat());
        assert_eq!(plain.replace("\r\n", "\n"), String::from_utf8(piped.stdout).unwrap());
        let uncoloured = on_terminal(&args, 77, Some(("NO_COLOR", "1")));
        assert!(!uncoloured.contains('\u{1b}'), "{uncoloured:?}");
    }
}

#[test]
fn pipes_have_no_colours_unless_they_are_forced() {
    let case = &cases()[0];
    let show = |variable: Option<(&str, &str)>| {
        let output = command(&["show", case.to_str().unwrap()]).envs(variable).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!show(None).contains('\u{1b}'));
    assert!(show(Some(("CLICOLOR_FORCE", "1"))).contains('\u{1b}'));
    assert!(show(Some(("COLUMNS", "44"))).lines().all(|line| line.chars().count() <= 44));
}

#[test]
fn reader_that_stops_early_is_no_error() {
    let case = cases().into_iter().find(|case| case.ends_with("everything")).unwrap();
    for args in [&["show"][..], &["show", "--json"], &["cost"]] {
        let mut command = command(&[args, &[case.to_str().unwrap()]].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
}
