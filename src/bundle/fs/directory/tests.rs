//! Both kinds of directories, by handle and by path, on Unix.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::Path;

use super::by_path::PathHandle;
use super::{Directory, EntryKind, Handle, OpenError};

/// Checks one kind of directories, which `open` opens and `$handle` implements.
macro_rules! check_handle {
    ($test:ident, $handle:ident) => {
        #[test]
        fn $test() {
            let directory = tempfile::tempdir().expect("a directory");
            let at = |name: &str| directory.path().join(name);
            let handle = $handle::open(directory.path()).expect("opened");
            let name = |name: &'static str| OsStr::new(name);
            handle.create_directory(name("below")).expect("created");
            let below = handle.open_directory(name("below")).expect("opened");
            drop(below.create_file(name("file")).expect("created"));
            assert!(below.create_file(name("file")).is_err());
            fs::write(at("below/file"), "text").expect("written");
            std::os::unix::fs::symlink("below", at("linked")).expect("linked");
            std::os::unix::fs::symlink("file", at("below/link")).expect("linked");
            let mut entries = handle.entries().expect("listed");
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            let expected = [("below", EntryKind::Directory), ("linked", EntryKind::Link)];
            assert_eq!(entries, expected.map(|(name, kind)| (name.into(), kind)));
            assert!(handle.open_directory(name("linked")).is_err() && below.open_file(name("link")).is_err());
            assert!($handle::open(&at("linked")).is_ok() && $handle::open_unlinked(&at("linked")).is_err());
            assert!($handle::open(&at("below/file")).is_err());
            below.rename(name("file"), name("other")).expect("renamed");
            assert_eq!(below.status(name("other")).expect("there").length, 4);
            let mut text = String::new();
            below.open_file(name("other")).expect("opened").read_to_string(&mut text).expect("read");
            below.remove_file(name("other")).expect("removed");
            assert!(text == "text" && below.status(name("other")).is_err());
            assert!(handle.free_bytes().is_none_or(|bytes| bytes > 0));
        }
    };
}

check_handle!(directory_by_handle_opens_its_entries_and_follows_no_link, Handle);
check_handle!(directory_by_path_opens_its_entries_and_follows_no_link, PathHandle);

#[test]
fn link_that_takes_the_place_of_an_open_directory_is_not_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for (place, text) in [("bundle", "own"), ("outside", "secret")] {
        fs::create_dir_all(at(place).join("payloads")).expect("created");
        fs::write(at(place).join("payloads/1.json"), text).expect("written");
    }
    let opened = Directory::open(&at("bundle")).expect("opened");
    let read = |path: &str| {
        let mut text = String::new();
        opened.open_file(path).map(|mut file| file.read_to_string(&mut text).map(|_| text)).and_then(|it| it)
    };
    fs::rename(at("bundle"), at("moved")).expect("renamed");
    std::os::unix::fs::symlink("outside", at("bundle")).expect("linked");
    assert_eq!(read("payloads/1.json").expect("read"), "own");
    drop(opened.create_file("payloads/2.json").expect("created"));
    assert!(at("moved/payloads/2.json").exists() && !at("outside/payloads/2.json").exists());
    fs::rename(at("moved/payloads"), at("moved/kept")).expect("renamed");
    std::os::unix::fs::symlink("../outside/payloads", at("moved/payloads")).expect("linked");
    assert!(read("payloads/1.json").expect_err("a link").to_string().contains("symbolic link"));
    assert!(opened.create_file("payloads/3.json").is_err() && !at("outside/payloads/3.json").exists());
    assert!(opened.names_in("payloads").is_err() && opened.names_in("none").expect("nothing").is_empty());
    assert_eq!(opened.names_in("kept").expect("listed"), ["1.json", "2.json"]);
}

#[test]
fn path_of_any_depth_takes_two_open_directories() {
    let directory = tempfile::tempdir().expect("a directory");
    let opened = Directory::open(directory.path()).expect("opened");
    let path = format!("{}end", "a/".repeat(1500));
    drop(opened.create_file(&path).expect("more directories than a process may hold open"));
    assert!(opened.open_file(&path).is_ok());
}

#[test]
fn path_that_leaves_the_directory_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let opened = Directory::open(directory.path()).expect("opened");
    for path in ["", ".", "/", "/etc/passwd", "a/../../b", "..", "a\0b", "payloads/state.json"] {
        let refused = opened.open_inside(path).expect_err(path);
        assert!(matches!(refused, OpenError::Path(_)), "{path:?}: {refused:?}");
        assert!(opened.create_file(path).is_err(), "{path:?}");
    }
    assert!(Path::new("/etc/passwd").exists() && directory.path().read_dir().expect("listed").next().is_none());
}
