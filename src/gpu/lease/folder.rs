//! The shared folder. It may be writable by everybody, so nothing in it is trusted: no link is followed, nothing but plain
//! files is opened, and no text is taken for more than a text.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::LeaseError;
use super::wait::pause;

/// The folder's mode: everybody makes files, and removes only their own.
const FOLDER: Mode = Mode::from_raw_mode(0o1777);
/// The files' mode: jobs of all users lock them.
const FILE: Mode = Mode::from_raw_mode(0o666);
/// The most that is read of a file.
const MOST: u64 = 64 * 1024;
/// The file that guards all decisions.
const QUEUE: &str = "queue.lock";

/// The folder, open.
pub(super) struct Folder {
    dir: OwnedFd,
    path: PathBuf,
    queue: File,
}

impl Folder {
    /// Opens the folder, and makes it where only itself is missing.
    pub(super) fn open(path: &Path) -> Result<Self, LeaseError> {
        let failed = |what: String| LeaseError::Folder { path: path.display().to_string(), what };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::open(path, flags, Mode::empty());
        let dir = match open() {
            Err(Errno::NOENT) => {
                let made = rustix::fs::mkdir(path, FOLDER);
                if !matches!(made, Ok(()) | Err(Errno::EXIST)) {
                    let mount = "make it on the machine (`install -d -m 1777 DIR`) and, in a container, mount it there: \
                                 a lock is shared only by jobs that see the same folder";
                    let why = made.err().map(|error| error.to_string()).unwrap_or_default();
                    return Err(failed(format!(
                        "cannot be made: {why}; {mount}, or name another one with --lease-dir"
                    )));
                }
                let dir = open().map_err(|error| failed(error.to_string()))?;
                if made.is_ok() {
                    // The umask has taken its part of the mode.
                    rustix::fs::fchmod(&dir, FOLDER).map_err(|error| failed(error.to_string()))?;
                }
                dir
            }
            Err(Errno::LOOP | Errno::NOTDIR) => return Err(failed("is not a folder, or a link to one".to_owned())),
            Err(error) => return Err(failed(error.to_string())),
            Ok(dir) => dir,
        };
        let stat = rustix::fs::fstat(&dir).map_err(|error| failed(error.to_string()))?;
        if stat.st_mode & 0o002 != 0 && stat.st_mode & 0o1000 == 0 {
            let what = "everybody may remove locks of others from it: give it the sticky bit (`chmod 1777 DIR`)";
            return Err(failed(what.to_owned()));
        }
        let queue = open_plain(&dir, QUEUE).map_err(|error| failed(format!("{QUEUE}: {error}")))?;
        Ok(Self { dir, path: path.to_owned(), queue })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn failed(&self, name: &str, error: &io::Error) -> LeaseError {
        LeaseError::Folder { path: self.path.display().to_string(), what: format!("{name}: {error}") }
    }

    /// Does something while nobody else decides anything.
    pub(super) fn locked<T>(&mut self, work: impl FnOnce(&Self) -> Result<T, LeaseError>) -> Result<T, LeaseError> {
        loop {
            lock(&self.queue).map_err(|error| self.failed(QUEUE, &error))?;
            if self.is_current(QUEUE, &self.queue) {
                break;
            }
            // Somebody has removed the file: those who come now lock another one.
            self.queue = self.file(QUEUE)?;
        }
        let result = work(self);
        // What cannot be unlocked is unlocked by being closed.
        let _ = rustix::fs::flock(&self.queue, FlockOperation::Unlock);
        result
    }

    /// Opens a file for reading, writing and locking, and makes it where it is missing.
    pub(super) fn file(&self, name: &str) -> Result<File, LeaseError> {
        open_plain(&self.dir, name).map_err(|error| self.failed(name, &error))
    }

    /// Makes a file that is not there yet.
    pub(super) fn new_file(&self, name: &str) -> Result<File, LeaseError> {
        create(&self.dir, name).map_err(|error| self.failed(name, &error.into()))
    }

    /// Opens a file of somebody else's, for reading; none where it is no plain file.
    pub(super) fn look(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&self.dir, name, flags, Mode::empty()).ok()?;
        let plain = is_plain(&rustix::fs::fstat(&file).ok()?);
        plain.then(|| File::from(file))
    }

    /// Removes a file; what may not be removed stays.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
    }

    /// Names of the files that begin in a way.
    pub(super) fn names(&self, beginning: &str) -> Result<Vec<String>, LeaseError> {
        let failed = |error: Errno| self.failed("", &error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Ok(name) = entry.file_name().to_str()
                && name.starts_with(beginning)
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Whether the file that is open is still the one of that name.
    pub(super) fn is_current(&self, name: &str, file: &File) -> bool {
        let there = rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW);
        match (there, rustix::fs::fstat(file)) {
            (Ok(there), Ok(open)) => there.st_ino == open.st_ino && there.st_dev == open.st_dev,
            (_, _) => false,
        }
    }

    /// Whether the path still leads here: a folder that was removed and made again is another one.
    pub(super) fn is_there(&self) -> bool {
        match (rustix::fs::stat(&self.path), rustix::fs::fstat(&self.dir)) {
            (Ok(there), Ok(open)) => there.st_ino == open.st_ino && there.st_dev == open.st_dev,
            (_, _) => false,
        }
    }
}

fn is_plain(stat: &Stat) -> bool {
    // A second name of the file could be anywhere.
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1
}

fn create(dir: &OwnedFd, name: &str) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, FILE)?;
    rustix::fs::fchmod(&file, FILE)?;
    Ok(File::from(file))
}

/// A file that is there is opened without `O_CREAT`: in a folder like this the kernel refuses that flag for files of others
/// (`fs.protected_regular`, <https://docs.kernel.org/admin-guide/sysctl/fs.html>).
fn open_plain(dir: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut last = Errno::NOENT;
    for _ in 0..20 {
        match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            Ok(file) => {
                let stat = rustix::fs::fstat(&file)?;
                if is_plain(&stat) {
                    return Ok(File::from(file));
                }
                if stat.st_nlink != 0 {
                    return Err(io::Error::other("is no plain file of its own: remove it"));
                }
            }
            Err(Errno::NOENT) => match create(dir, name) {
                Ok(file) => return Ok(file),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            },
            Err(Errno::LOOP) => return Err(io::Error::other("is a link: remove it")),
            // Another user has made it a moment ago, and is about to open it to all.
            Err(error @ Errno::ACCESS) => {
                last = error;
                pause(10);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(last.into())
}

/// Waits for the lock.
pub(super) fn lock(file: &File) -> io::Result<()> {
    loop {
        match rustix::fs::flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            other => return other.map_err(explained),
        }
    }
}

/// Takes the lock if nobody has it.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    taken(file, FlockOperation::NonBlockingLockExclusive)
}

/// Whether nobody has the lock, by a file that is open for reading.
pub(super) fn is_abandoned(file: &File) -> io::Result<bool> {
    let free = taken(file, FlockOperation::NonBlockingLockShared)?;
    if free {
        unlock(file);
    }
    Ok(free)
}

pub(super) fn unlock(file: &File) {
    // What cannot be unlocked is unlocked by being closed.
    let _ = rustix::fs::flock(file, FlockOperation::Unlock);
}

fn taken(file: &File, operation: FlockOperation) -> io::Result<bool> {
    loop {
        match rustix::fs::flock(file.as_fd(), operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(error) => return Err(explained(error)),
        }
    }
}

fn explained(error: Errno) -> io::Error {
    match error {
        Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS => {
            io::Error::other(format!("the file system knows no locks ({error}): take a folder of a local disk"))
        }
        error => error.into(),
    }
}

/// The text of a file, as far as anybody may be expected to write it.
pub(super) fn text(mut file: &File) -> io::Result<String> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// Replaces the text of a file.
pub(super) fn write(mut file: &File, text: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("leases");
        (around, path)
    }

    fn refused(path: &Path) -> String {
        Folder::open(path).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn everybody_can_use_the_folder_and_nobody_can_remove_what_is_not_theirs() {
        let (_around, path) = place();
        let folder = Folder::open(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&path), 0o1777);
        folder.file("gpu-x.lock").unwrap();
        assert_eq!((mode(&path.join("gpu-x.lock")), mode(&path.join(QUEUE))), (0o666, 0o666));
    }

    #[test]
    fn a_folder_whose_locks_anybody_may_remove_is_refused() {
        let (_around, path) = place();
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(refused(&path).contains("chmod 1777"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_says_what_to_mount() {
        let (_around, path) = place();
        let text = refused(&path.join("deeper"));
        assert!(text.contains("mount") && text.contains("--lease-dir"), "{text}");
    }

    #[test]
    fn links_and_second_names_are_not_followed() {
        let (around, path) = place();
        let secret = around.path().join("secret");
        File::create(&secret).unwrap().write_all(b"mine").unwrap();
        symlink(&secret, &path).unwrap();
        assert!(refused(&path).contains("not a folder"));
        std::fs::remove_file(&path).unwrap();
        let folder = Folder::open(&path).unwrap();
        symlink(&secret, path.join("gpu-a.lock")).unwrap();
        std::fs::hard_link(&secret, path.join("gpu-b.lock")).unwrap();
        std::fs::create_dir(path.join("gpu-c.lock")).unwrap();
        for name in ["gpu-a.lock", "gpu-b.lock", "gpu-c.lock"] {
            assert!(folder.file(name).is_err(), "{name}");
            assert!(folder.look(name).is_none(), "{name}");
        }
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "mine");
    }

    #[test]
    fn a_pipe_in_the_folder_makes_nobody_wait() {
        let (_around, path) = place();
        let folder = Folder::open(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, path.join("ticket-p"), FileType::Fifo, FILE, 0).unwrap();
        assert!(folder.look("ticket-p").is_none());
        assert!(folder.file("ticket-p").is_err());
    }
}
