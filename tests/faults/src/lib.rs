//! A library for `LD_PRELOAD` that makes one call of the file system fail, in a process whose variables say which.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `FAULT_ROOT` | absolute path of the directory whose files are concerned |
//! | `FAULT_AT` | number of the call that fails, from 1; none if it is 0 |
//! | `FAULT_CALLS` | how many calls fail from there on |
//! | `FAULT_ERROR` | number of the error, or 0 for a write of half of the bytes |
//! | `FAULT_COUNT` | path of a file to which the number of calls is written when the process exits |
//!
//! Calls that create, write, sync, rename, lock or remove files are counted; those that only read are not. The standard
//! library makes its calls by these symbols. Calls that a program makes without the C library pass by.
#![cfg(target_os = "linux")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use libc::{iovec, mode_t, off_t, size_t, ssize_t};

/// Which calls fail, and how.
struct Fault {
    root: PathBuf,
    at: u64,
    calls: u64,
    error: c_int,
}

/// Number of calls so far.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// File descriptors of files below the root.
static IS_OURS: [AtomicBool; 1024] = [const { AtomicBool::new(false) }; 1024];

/// Returns the fault that the variables describe. Returns `None` in a process without them.
fn fault() -> Option<&'static Fault> {
    static FAULT: OnceLock<Option<Fault>> = OnceLock::new();
    FAULT
        .get_or_init(|| {
            let number = |name: &str| std::env::var(name).ok()?.parse().ok();
            let root = std::env::var_os("FAULT_ROOT")?.into();
            // SAFETY: the function takes no arguments, and does not unwind.
            unsafe { libc::atexit(write_count) };
            let error = c_int::try_from(number("FAULT_ERROR")?).ok()?;
            Some(Fault { root, at: number("FAULT_AT")?, calls: number("FAULT_CALLS")?, error })
        })
        .as_ref()
}

extern "C" fn write_count() {
    if let Some(path) = std::env::var_os("FAULT_COUNT") {
        let _ = std::fs::write(path, CALLS.load(Ordering::SeqCst).to_string());
    }
}

/// How a call fails.
enum Failure {
    Error(c_int),
    /// Half of the bytes are written.
    Short,
}

/// Counts a call. Returns how it fails, if it does.
fn next_failure() -> Option<Failure> {
    let fault = fault()?;
    let number = CALLS.fetch_add(1, Ordering::SeqCst) + 1;
    let is_failing = fault.at > 0 && number >= fault.at && number - fault.at < fault.calls;
    match fault.error {
        _ if !is_failing => None,
        0 => Some(Failure::Short),
        error => Some(Failure::Error(error)),
    }
}

/// Counts a call that cannot be short. Returns `true` if it fails, and sets the error.
fn fails() -> bool {
    match next_failure() {
        None => false,
        Some(failure) => {
            let error = if let Failure::Error(error) = failure { error } else { libc::EIO };
            // SAFETY: the location of the thread's error is valid.
            unsafe { *libc::__errno_location() = error };
            true
        }
    }
}

fn slot(fd: c_int) -> Option<&'static AtomicBool> {
    IS_OURS.get(usize::try_from(fd).ok()?)
}

fn is_ours(fd: c_int) -> bool {
    slot(fd).is_some_and(|slot| slot.load(Ordering::SeqCst))
}

/// Returns `true` if a path is below the root, or is relative to a directory below it.
///
/// # Safety
/// `path` is a C string.
unsafe fn is_below_root(directory: c_int, path: *const c_char) -> bool {
    // SAFETY: of the caller.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(path) }.to_bytes()));
    is_ours(directory) || fault().is_some_and(|fault| path.starts_with(&fault.root))
}

/// Returns the function of this name in the C library.
///
/// # Safety
/// `F` is the type of the function.
unsafe fn next<F: Copy>(name: &CStr) -> F {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "the C library has no {name:?}");
    // SAFETY: of the caller; a pointer and a function pointer have one size.
    unsafe { std::mem::transmute_copy(&found) }
}

/// Opens a file, by `open`. Remembers it if it is below the root. Only calls that create or write count.
fn opened(is_below: bool, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    let is_writing = flags & (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR) != 0;
    if is_below && is_writing && fails() {
        return -1;
    }
    let fd = open();
    if let Some(slot) = slot(fd) {
        slot.store(is_below, Ordering::SeqCst);
    }
    fd
}

/// Defines the functions that open a file at a path.
macro_rules! opens {
    ($($name:ident $at:ident),*) => {$(
        /// # Safety
        /// As the function of the C library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            type Function = unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
            // SAFETY: of the caller; the name is that of this function.
            unsafe {
                let next: Function = next(to_c(concat!(stringify!($name), "\0")));
                opened(is_below_root(libc::AT_FDCWD, path), flags, || next(path, flags, mode))
            }
        }

        /// # Safety
        /// As the function of the C library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $at(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
            type Function = unsafe extern "C" fn(c_int, *const c_char, c_int, ...) -> c_int;
            // SAFETY: of the caller; the name is that of this function.
            unsafe {
                let next: Function = next(to_c(concat!(stringify!($at), "\0")));
                opened(is_below_root(directory, path), flags, || next(directory, path, flags, mode))
            }
        }
    )*};
}

opens!(open openat, open64 openat64);

/// Defines functions that return an error, or call the function of the C library. A call counts if the condition holds.
macro_rules! calls {
    ($($name:ident($($argument:ident: $kind:ty),*) if $counts:expr;)*) => {$(
        /// # Safety
        /// As the function of the C library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $kind),*) -> c_int {
            // SAFETY: of the caller; the name is that of this function.
            unsafe {
                if $counts && fails() {
                    return -1;
                }
                let next: unsafe extern "C" fn($($kind),*) -> c_int = next(to_c(concat!(stringify!($name), "\0")));
                next($($argument),*)
            }
        }
    )*};
}

calls! {
    fsync(fd: c_int) if is_ours(fd);
    fdatasync(fd: c_int) if is_ours(fd);
    ftruncate(fd: c_int, length: off_t) if is_ours(fd);
    ftruncate64(fd: c_int, length: off_t) if is_ours(fd);
    flock(fd: c_int, operation: c_int) if is_ours(fd);
    mkdir(path: *const c_char, mode: mode_t) if is_below_root(libc::AT_FDCWD, path);
    mkdirat(directory: c_int, path: *const c_char, mode: mode_t) if is_below_root(directory, path);
    unlink(path: *const c_char) if is_below_root(libc::AT_FDCWD, path);
    unlinkat(directory: c_int, path: *const c_char, flags: c_int) if is_below_root(directory, path);
    rmdir(path: *const c_char) if is_below_root(libc::AT_FDCWD, path);
    rename(from: *const c_char, to: *const c_char) if is_below_root(libc::AT_FDCWD, to);
    renameat(from: c_int, path: *const c_char, to: c_int, new: *const c_char) if is_below_root(to, new);
    link(from: *const c_char, to: *const c_char) if is_below_root(libc::AT_FDCWD, to);
}

/// # Safety
/// As the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(fd: c_int) -> c_int {
    if let Some(slot) = slot(fd) {
        slot.store(false, Ordering::SeqCst);
    }
    // SAFETY: of the caller; the name is that of this function.
    unsafe { next::<unsafe extern "C" fn(c_int) -> c_int>(c"close")(fd) }
}

/// Writes bytes, by `write`, which is told how many.
fn written(fd: c_int, count: size_t, write: impl FnOnce(size_t) -> ssize_t) -> ssize_t {
    match if is_ours(fd) { next_failure() } else { None } {
        None => write(count),
        Some(Failure::Short) => write(count / 2),
        Some(Failure::Error(error)) => {
            // SAFETY: the location of the thread's error is valid.
            unsafe { *libc::__errno_location() = error };
            -1
        }
    }
}

/// # Safety
/// As the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    type Function = unsafe extern "C" fn(c_int, *const c_void, size_t) -> ssize_t;
    // SAFETY: of the caller; the name is that of this function.
    written(fd, count, |count| unsafe { next::<Function>(c"write")(fd, bytes, count) })
}

/// Defines the functions that write at an offset.
macro_rules! writes_at {
    ($($name:ident),*) => {$(
        /// # Safety
        /// As the function of the C library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(fd: c_int, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t {
            type Function = unsafe extern "C" fn(c_int, *const c_void, size_t, off_t) -> ssize_t;
            // SAFETY: of the caller; the name is that of this function.
            written(fd, count, |count| unsafe {
                next::<Function>(to_c(concat!(stringify!($name), "\0")))(fd, bytes, count, offset)
            })
        }
    )*};
}

writes_at!(pwrite, pwrite64);

/// # Safety
/// As the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    type Function = unsafe extern "C" fn(c_int, *const iovec, c_int) -> ssize_t;
    // SAFETY: of the caller; the name is that of this function. A short write is one of fewer parts.
    written(fd, count.unsigned_abs() as size_t, |count| unsafe {
        next::<Function>(c"writev")(fd, parts, c_int::try_from(count).unwrap_or_default())
    })
}

/// Returns a text that ends in a zero as a C string.
fn to_c(name: &'static str) -> &'static CStr {
    CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or_default()
}
