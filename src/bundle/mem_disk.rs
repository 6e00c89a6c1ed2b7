//! A disk in memory, with faults: it can fail, stall and panic, and lose what was not forced to it when its power is cut.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, fs, io};

use super::disk::{Disk, DiskFile, Identity};

/// What a disk is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Create,
    Write,
    Truncate,
    Sync,
    Other,
}

/// Called before each thing that is done to a path. May err, stall or panic in its place.
type Fault = Arc<dyn Fn(&Path, Doing) -> io::Result<()> + Send + Sync>;

/// Called when the power is cut.
type AtCut = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct MemDisk {
    tree: Arc<Mutex<Tree>>,
    fault: Arc<Mutex<Option<Fault>>>,
    power: Arc<Mutex<Power>>,
}

#[derive(Default)]
struct Power {
    done: u64,
    cut_after: Option<(u64, AtCut)>,
    at_cut: Option<Tree>,
}

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
    /// From now on this happens first.
    pub(crate) fn plant(&self, fault: impl Fn(&Path, Doing) -> io::Result<()> + Send + Sync + 'static) {
        *locked(&self.fault) = Some(Arc::new(fault));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn mend(&self) {
        *locked(&self.fault) = None;
    }

    /// The power is cut after so many more things were done. The program does not notice.
    pub(crate) fn cut_after(&self, count: u64, at_cut: impl FnOnce() + Send + 'static) {
        let mut power = locked(&self.power);
        power.cut_after = Some((power.done + count, Box::new(at_cut)));
    }

    /// What is on the disk after the power was cut: what was forced to it, and of the rest whatever `random` says.
    /// Where it was not cut, it is now.
    pub(crate) fn survivors(&self, to: &Path, random: &mut dyn FnMut() -> u64) {
        let tree = locked(&self.power).at_cut.clone().unwrap_or_else(|| locked(&self.tree).clone());
        tree.survive(0, to, random);
    }

    /// What is on the disk while its power is on.
    pub(crate) fn copy_to(&self, to: &Path) {
        locked(&self.tree).copy(0, to);
    }

    fn doing<T>(&self, path: &Path, doing: Doing, act: impl FnOnce(&mut Tree) -> io::Result<T>) -> io::Result<T> {
        let fault = locked(&self.fault).clone();
        fault.map_or(Ok(()), |fault| fault(path, doing))?;
        let mut tree = locked(&self.tree);
        let done = act(&mut tree);
        let mut power = locked(&self.power);
        power.done += 1;
        if power.cut_after.as_ref().is_some_and(|(after, _)| *after <= power.done)
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
                fs::create_dir_all(to).expect("made");
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
                fs::create_dir_all(to).expect("made");
                names.iter().for_each(|(name, node)| self.copy(*node, &to.join(name)));
            }
        }
    }
}

/// A file of which only the first part was forced to the disk: of the rest any blocks may be there, and any length.
fn torn(bytes: &[u8], synced: &[u8], random: &mut dyn FnMut() -> u64) -> Vec<u8> {
    const BLOCK: usize = 64;
    if bytes == synced {
        return synced.to_vec();
    }
    let (least, most) = (synced.len().min(bytes.len()), synced.len().max(bytes.len()));
    // Often the length is there, and the bytes are not.
    let any = least + (random() as usize) % (most - least + 1);
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
        self.doing(path, Doing::Create, |tree| {
            let mut made = PathBuf::from("/");
            for part in parts(path) {
                made.push(part);
                if tree.find(&made).is_err() {
                    tree.add(&made, Node::Directory { names: Names::new(), synced: Names::new() })?;
                }
            }
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let empty = Node::File { bytes: Vec::new(), synced: Vec::new() };
        let node = self.doing(path, Doing::Create, |tree| tree.add(path, empty))?;
        Ok(self.file(path, node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let node = self.doing(path, Doing::Other, |tree| tree.find(path))?;
        Ok(self.file(path, node))
    }

    fn create_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.create(path)
    }

    fn open_for_places(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        let node = locked(&self.tree).find(path)?;
        Ok(Identity { numbers: (0, node as u64) })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.doing(from, Doing::Other, |tree| {
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
        self.doing(path, Doing::Other, |tree| tree.remove(path).map(drop))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.doing(path, Doing::Other, |tree| tree.remove(path).map(drop))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.doing(path, Doing::Sync, |tree| {
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
    fn change<T>(&self, doing: Doing, change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> T) -> io::Result<T> {
        self.disk.doing(&self.path, doing, |tree| match &mut tree.0[self.node] {
            Node::File { bytes, synced } => Ok(change(bytes, synced)),
            Node::Directory { .. } => Err(io::ErrorKind::IsADirectory.into()),
        })
    }
}

impl DiskFile for MemFile {
    fn write(&self, new: &[u8]) -> io::Result<usize> {
        self.change(Doing::Write, |bytes, _| bytes.extend_from_slice(new))?;
        Ok(new.len())
    }

    fn write_at(&self, new: &[u8], place: u64) -> io::Result<usize> {
        let (start, end) = (place as usize, place as usize + new.len());
        self.change(Doing::Write, |bytes, _| {
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(new);
        })?;
        Ok(new.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Doing::Truncate, |bytes, _| bytes.resize(length as usize, 0))
    }

    fn sync(&self) -> io::Result<()> {
        self.change(Doing::Sync, |bytes, synced| synced.clone_from(bytes))
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity { numbers: (0, self.node as u64) })
    }

    fn is_linked(&self) -> bool {
        let tree = locked(&self.disk.tree);
        let holds =
            |node: &Node| matches!(node, Node::Directory { names, .. } if names.values().any(|it| *it == self.node));
        tree.0.iter().any(holds)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
