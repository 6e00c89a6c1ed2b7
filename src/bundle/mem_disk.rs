//! An in-memory file system for tests. It can fail, stall and panic, and loses data that was not synced when its power
//! is cut.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs, io};

use super::disk::{Disk, DiskFile, FileIdentity};

/// The kind of an operation of the in-memory file system, passed to the fault callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskOp {
    Create,
    Write,
    Truncate,
    Sync,
    Other,
}

/// A fault callback: runs before each operation on a path. It can return an error, stall, or panic.
type Fault = Arc<dyn Fn(&Path, DiskOp) -> io::Result<()> + Send + Sync>;

/// A callback that runs when the power of the in-memory disk is cut.
type AtCut = Box<dyn FnOnce() + Send>;

/// An in-memory file system for tests that can fail, stall and lose unsynced data. Clones share their contents.
#[derive(Clone)]
pub(crate) struct MemDisk {
    tree: Arc<Mutex<Tree>>,
    fault: Arc<Mutex<Option<Fault>>>,
    power: Arc<Mutex<Power>>,
}

#[derive(Default)]
struct Power {
    /// Number of operations performed.
    ops: u64,
    /// Number of operations after which the power is cut, and the callback to run then. `None` if no cut is planned.
    cut_after: Option<(u64, AtCut)>,
    /// The files and directories as they were when the power was cut. `None` before.
    at_cut: Option<Tree>,
}

/// The files and directories of a disk. The first node is the root directory.
#[derive(Clone)]
struct Tree(Vec<Node>);

#[derive(Clone)]
enum Node {
    File { bytes: Vec<u8>, synced: Vec<u8> },
    Directory { names: Names, synced: Names },
}

type Names = BTreeMap<OsString, usize>;

impl Default for MemDisk {
    fn default() -> Self {
        let root = Node::Directory { names: Names::new(), synced: Names::new() };
        Self { tree: Arc::new(Mutex::new(Tree(vec![root]))), fault: Arc::default(), power: Arc::default() }
    }
}

impl fmt::Debug for MemDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemDisk")
    }
}

impl MemDisk {
    /// Sets a callback that runs before each operation from now on, and can fail, stall or panic.
    pub(crate) fn inject_fault(&self, fault: impl Fn(&Path, DiskOp) -> io::Result<()> + Send + Sync + 'static) {
        *locked(&self.fault) = Some(Arc::new(fault));
    }

    /// Removes the callback set by [`inject_fault`](Self::inject_fault).
    pub(crate) fn clear_fault(&self) {
        *locked(&self.fault) = None;
    }

    /// Cuts the power after `count` more operations, and then calls `at_cut`. Later operations still succeed, but their
    /// effects do not survive.
    pub(crate) fn cut_power_after(&self, count: u64, at_cut: impl FnOnce() + Send + 'static) {
        let mut power = locked(&self.power);
        power.cut_after = Some((power.ops + count, Box::new(at_cut)));
    }

    /// Writes the files that survive the power cut to the directory `to`: all synced data, and a random selection of
    /// the unsynced data. If the power has not been cut yet, uses the present contents.
    pub(crate) fn write_survivors(&self, to: &Path, random: &mut dyn FnMut() -> u64) {
        let tree = locked(&self.power).at_cut.clone().unwrap_or_else(|| locked(&self.tree).clone());
        tree.survive(0, to, random);
    }

    /// Copies all files, as a running program sees them, to the directory `to`.
    pub(crate) fn copy_to(&self, to: &Path) {
        locked(&self.tree).copy(0, to);
    }

    /// Runs the fault callback and performs an operation. Then cuts the power if the number of operations for the cut
    /// has been reached.
    fn perform<T>(&self, path: &Path, op: DiskOp, act: impl FnOnce(&mut Tree) -> io::Result<T>) -> io::Result<T> {
        let fault = locked(&self.fault).clone();
        fault.map_or(Ok(()), |fault| fault(path, op))?;
        let mut tree = locked(&self.tree);
        let done = act(&mut tree);
        let mut power = locked(&self.power);
        power.ops += 1;
        if power.cut_after.as_ref().is_some_and(|(after, _)| *after <= power.ops)
            && let Some((_, at_cut)) = power.cut_after.take()
        {
            at_cut();
            power.at_cut = Some(tree.clone());
        }
        done
    }

    fn file(&self, path: &Path, node: usize) -> Arc<dyn DiskFile> {
        Arc::new(MemFile { disk: self.clone(), path: path.to_owned(), node })
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| {
        let std::path::Component::Normal(name) = part else { return None };
        Some(name.to_owned())
    })
}

fn split(path: &Path) -> io::Result<(&Path, OsString)> {
    let missing = io::ErrorKind::NotFound;
    Ok((path.parent().ok_or(missing)?, path.file_name().ok_or(missing)?.to_owned()))
}

impl Tree {
    fn find(&self, path: &Path) -> io::Result<usize> {
        parts(path).try_fold(0, |at, name| match &self.0[at] {
            Node::Directory { names, .. } => names.get(&name).copied().ok_or(io::ErrorKind::NotFound.into()),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        })
    }

    fn names(&mut self, directory: &Path) -> io::Result<&mut Names> {
        let at = self.find(directory)?;
        match &mut self.0[at] {
            Node::Directory { names, .. } => Ok(names),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let number = self.0.len();
        let (directory, name) = split(path)?;
        let names = self.names(directory)?;
        if names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name, number);
        self.0.push(node);
        Ok(number)
    }

    fn remove(&mut self, path: &Path) -> io::Result<usize> {
        let (directory, name) = split(path)?;
        self.names(directory)?.remove(&name).ok_or(io::ErrorKind::NotFound.into())
    }

    fn survive(&self, at: usize, to: &Path, random: &mut dyn FnMut() -> u64) {
        match &self.0[at] {
            Node::File { bytes, synced } => fs::write(to, torn(bytes, synced, random)).expect("written"),
            Node::Directory { names, synced } => {
                fs::create_dir_all(to).expect("created");
                let all = names.keys().chain(synced.keys()).collect::<std::collections::BTreeSet<_>>();
                for name in all {
                    let (now, then) = (names.get(name), synced.get(name));
                    let survivor = if now == then || random().is_multiple_of(2) { now } else { then };
                    if let Some(node) = survivor {
                        self.survive(*node, &to.join(name), random);
                    }
                }
            }
        }
    }

    fn copy(&self, at: usize, to: &Path) {
        match &self.0[at] {
            Node::File { bytes, .. } => fs::write(to, bytes).expect("written"),
            Node::Directory { names, .. } => {
                fs::create_dir_all(to).expect("created");
                names.iter().for_each(|(name, node)| self.copy(*node, &to.join(name)));
            }
        }
    }
}

/// Returns the contents of a file after a power cut: its synced contents, overwritten with a random selection of the
/// unsynced blocks, and with a random length.
fn torn(bytes: &[u8], synced: &[u8], random: &mut dyn FnMut() -> u64) -> Vec<u8> {
    const BLOCK: usize = 64;
    if bytes == synced {
        return synced.to_vec();
    }
    let (min, max) = (synced.len().min(bytes.len()), synced.len().max(bytes.len()));
    // File systems often persist the length before the contents.
    let any = min + (random() as usize) % (max - min + 1);
    let length = if random().is_multiple_of(2) { bytes.len() } else { any };
    let mut torn = synced.to_vec();
    torn.resize(length, 0);
    for start in (0..length.min(bytes.len())).step_by(BLOCK) {
        let end = (start + BLOCK).min(length).min(bytes.len());
        if random().is_multiple_of(2) {
            torn[start..end].copy_from_slice(&bytes[start..end]);
        }
    }
    torn
}

impl Disk for MemDisk {
    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        self.perform(path, DiskOp::Create, |tree| {
            let mut created = PathBuf::from("/");
            for part in parts(path) {
                created.push(part);
                if tree.find(&created).is_err() {
                    tree.add(&created, Node::Directory { names: Names::new(), synced: Names::new() })?;
                }
            }
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let empty = Node::File { bytes: Vec::new(), synced: Vec::new() };
        let node = self.perform(path, DiskOp::Create, |tree| tree.add(path, empty))?;
        Ok(self.file(path, node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.perform(path, DiskOp::Other, |tree| tree.find(path))?;
        Ok(self.file(path, node))
    }

    fn create_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    fn open_for_write_at(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn identity(&self, path: &Path) -> io::Result<FileIdentity> {
        let node = locked(&self.tree).find(path)?;
        Ok(FileIdentity { numbers: (0, node as u64) })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform(from, DiskOp::Other, |tree| {
            let (directory, name) = split(to)?;
            if tree.names(directory)?.contains_key(&name) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            let node = tree.remove(from)?;
            tree.names(directory)?.insert(name, node);
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.perform(path, DiskOp::Other, |tree| tree.remove(path).map(drop))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.perform(path, DiskOp::Other, |tree| tree.remove(path).map(drop))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.perform(path, DiskOp::Sync, |tree| {
            let at = tree.find(path)?;
            if let Node::Directory { names, synced } = &mut tree.0[at] {
                synced.clone_from(names);
            }
            Ok(())
        })
    }
}

#[derive(Debug)]
struct MemFile {
    disk: MemDisk,
    path: PathBuf,
    node: usize,
}

impl MemFile {
    fn change<T>(&self, op: DiskOp, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> T) -> io::Result<T> {
        self.disk.perform(&self.path, op, |tree| match &mut tree.0[self.node] {
            Node::File { bytes, synced } => Ok(change(bytes, synced)),
            Node::Directory { .. } => Err(io::ErrorKind::IsADirectory.into()),
        })
    }
}

impl DiskFile for MemFile {
    fn write(&self, new: &[u8]) -> io::Result<usize> {
        self.change(DiskOp::Write, |bytes, _| bytes.extend_from_slice(new))?;
        Ok(new.len())
    }

    fn write_at(&self, new: &[u8], offset: u64) -> io::Result<usize> {
        let (start, end) = (offset as usize, offset as usize + new.len());
        self.change(DiskOp::Write, |bytes, _| {
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(new);
        })?;
        Ok(new.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(DiskOp::Truncate, |bytes, _| bytes.resize(length as usize, 0))
    }

    fn sync(&self) -> io::Result<()> {
        self.change(DiskOp::Sync, |bytes, synced| synced.clone_from(bytes))
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        Ok(FileIdentity { numbers: (0, self.node as u64) })
    }

    fn is_linked(&self) -> bool {
        let tree = locked(&self.disk.tree);
        let has_entry =
            |node: &Node| matches!(node, Node::Directory { names, .. } if names.values().any(|it| *it == self.node));
        tree.0.iter().any(has_entry)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
