//! What becomes of files, links, pipes and devices, with a fault at every step and without.

use super::*;
use std::path::Path;

/// Makes a step of writing fail, or end the process as a kill would.
pub(crate) mod faults {
    use std::cell::Cell;
    use std::io;

    /// What happens at a step.
    #[derive(Clone, Copy)]
    pub(crate) enum Fault {
        /// The disk is full.
        Error,
        /// The process ends at once; nothing is tidied up.
        Death,
    }

    /// How a process that died says so.
    pub(crate) const DEATH: i32 = 77;

    thread_local! {
        static NEXT: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
    }

    pub(crate) fn reach() -> io::Result<()> {
        match NEXT.take() {
            None => Ok(()),
            Some((0, Fault::Error)) => Err(io::ErrorKind::StorageFull.into()),
            Some((0, Fault::Death)) => std::process::exit(DEATH),
            Some((n, fault)) => {
                NEXT.set(Some((n - 1, fault)));
                Ok(())
            }
        }
    }

    /// Calls `write` with a fault after `n_steps` steps; `true` if it came to that.
    pub(crate) fn with<R>(n_steps: usize, fault: Fault, write: impl FnOnce() -> R) -> (R, bool) {
        NEXT.set(Some((n_steps, fault)));
        let result = write();
        (result, NEXT.take().is_none())
    }

    /// Runs a test of this program again, alone, in a process that dies after `n_steps` steps of what [`dying`] gets;
    /// `false` if it ended by itself.
    pub(crate) fn kill(test: &str, n_steps: usize, folder: &std::path::Path) -> bool {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test]).env("GRAPHC_TEST_STEPS", n_steps.to_string()).env("GRAPHC_TEST_FOLDER", folder);
        let output = child.output().unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(0 | DEATH)), "{code:?}: {}", String::from_utf8_lossy(&output.stdout));
        code == Some(DEATH)
    }

    /// In such a process, does what it is there for; `true` then.
    pub(crate) fn dying(write: impl FnOnce(&std::path::Path)) -> bool {
        let Some(folder) = std::env::var_os("GRAPHC_TEST_FOLDER") else { return false };
        let n_steps = std::env::var("GRAPHC_TEST_STEPS").unwrap().parse().unwrap();
        with(n_steps, Fault::Death, || write(folder.as_ref()));
        true
    }
}

use faults::Fault;

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The message without the folder, whose name differs from run to run.
fn message(result: Result<(), TrainError>, folder: &Path) -> String {
    result.unwrap_err().to_string().replace(&format!("{}/", folder.display()), "")
}

#[test]
fn a_file_is_made_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    write_file(&path, b"one").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"one");
    let reader = File::open(&path).unwrap();
    write_file(&path, &[7; 100]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), [7; 100]);
    assert_eq!(io::read_to_string(reader).unwrap(), "one", "who had it open reads on");
    write_file(&path, b"").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert_eq!(names(folder.path()), ["x"]);
}

#[test]
fn what_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| message(write_file(&folder.path().join(name), b"new"), folder.path());
    fs::create_dir(folder.path().join("folder")).unwrap();
    assert_eq!(write("folder"), "folder: cannot write: is a directory");
    assert_eq!(write("none/"), "none/: cannot write: No such file or directory (os error 2)");
    let here = format!("none/x: cannot write into the folder {}/none: ", folder.path().display());
    let error = write_file(&folder.path().join("none/x"), b"new").unwrap_err().to_string();
    assert_eq!(error.replace(&format!("{}/none/x", folder.path().display()), "none/x"), format!("{here}{NO_FOLDER}"));
    assert_eq!(
        write_file(Path::new(""), b"").unwrap_err().to_string(),
        ": cannot write: No such file or directory (os error 2)"
    );
    fs::write(folder.path().join("file"), "old").unwrap();
    assert_eq!(write("file/x"), "file/x: cannot write: Not a directory (os error 20)");
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"old");
}

const NO_FOLDER: &str = "No such file or directory (os error 2)";

#[test]
fn a_check_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    check_writable(&path).unwrap();
    assert!(names(folder.path()).is_empty());
    fs::write(&path, "old").unwrap();
    check_writable(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert!(check_writable(&folder.path().join("none/x")).is_err());
    assert!(check_writable(folder.path()).is_err());
    check_writable(Path::new("/dev/null")).unwrap();
}

#[test]
fn files_that_nobody_finishes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at(".graphc-left.tmp"), "half").unwrap();
    fs::write(at(".other"), "not ours").unwrap();
    fs::create_dir(at(".graphc-folder")).unwrap();
    fs::write(at(".graphc-busy.tmp"), "half").unwrap();
    let busy = File::open(at(".graphc-busy.tmp")).unwrap();
    busy.lock().unwrap();
    write_file(&at("x"), b"whole").unwrap();
    assert_eq!(names(folder.path()), [".graphc-busy.tmp", ".graphc-folder", ".other", "x"]);
    // Closing it would not do: a process that another test is about to start has it open, too, for a moment.
    busy.unlock().unwrap();
    check_writable(&at("x")).unwrap();
    assert_eq!(names(folder.path()), [".graphc-folder", ".other", "x"]);
}

#[test]
fn writers_of_one_folder_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let path = folder.path().join(format!("{}", writer % 2));
            scope.spawn(move || (0..50).for_each(|_| write_file(&path, &[writer; 64]).unwrap()));
        }
    });
    assert_eq!(names(folder.path()), ["0", "1"]);
    for name in ["0", "1"] {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        assert!(bytes.len() == 64 && bytes.iter().all(|&byte| byte == bytes[0]), "{bytes:?}");
    }
}

const OLD: &[u8] = b"what was there before, and is longer than one block";
const NEW: &[u8] = b"what comes in its place: this too has several blocks";

#[test]
fn a_fault_at_any_step_leaves_the_old_file_or_the_new_one() {
    for old in [None, Some(OLD)] {
        for n_steps in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x");
            old.iter().for_each(|old| fs::write(&path, old).unwrap());
            let (result, failed) = faults::with(n_steps, Fault::Error, || write_file(&path, NEW));
            assert_eq!(result.is_err(), failed);
            let found = fs::read(&path).ok();
            if let Err(error) = &result {
                let error = error.to_string();
                assert!(error.ends_with(": no storage space"), "{error}");
                let is_renamed = error.contains("cannot sync the folder after writing");
                assert_eq!(found.as_deref(), if is_renamed { Some(NEW) } else { old }, "after {n_steps}: {error}");
            }
            assert_eq!(names(folder.path()).len(), usize::from(found.is_some()), "a temporary file is left");
            if !failed {
                assert!(n_steps >= 9, "{n_steps} steps");
                assert_eq!(found.as_deref(), Some(NEW));
                break;
            }
        }
    }
}

#[test]
fn death_at_any_step_leaves_the_old_file_or_the_new_one() {
    if faults::dying(|folder| write_file(&folder.join("x"), NEW).unwrap()) {
        return;
    }
    let test = "files::tests::death_at_any_step_leaves_the_old_file_or_the_new_one";
    for n_steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, OLD).unwrap();
        let died = faults::kill(test, n_steps, folder.path());
        let found = fs::read(&path).unwrap();
        assert!(found == NEW || (died && found == OLD), "after {n_steps}: {found:?}");
        // Whoever comes next writes as ever and tidies up.
        write_file(&path, b"next").unwrap();
        assert_eq!(names(folder.path()), ["x"]);
        if !died {
            assert!(n_steps >= 9, "{n_steps} steps");
            break;
        }
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use rustix::fs::{CWD, Dev, FileType, Mode, makedev, mknodat};
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn node(path: &Path, kind: FileType, device: Dev) -> bool {
        mknodat(CWD, path, kind, Mode::from_bits_truncate(0o600), device).is_ok()
    }

    #[test]
    fn permissions_stay_and_new_files_have_those_of_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_file(&path, b"new").unwrap();
        let other = folder.path().join("other");
        File::create(&other).unwrap();
        assert_eq!(mode(&path), mode(&other));
        for bits in [0o600, 0o640, 0o666, 0o4755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            write_file(&path, b"newer").unwrap();
            assert_eq!(mode(&path), bits);
            assert_ne!(fs::metadata(&path).unwrap().ino(), before, "replaced, not overwritten");
        }
    }

    #[test]
    fn an_administrator_leaves_the_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "old").unwrap();
        if std::os::unix::fs::chown(&path, Some(1234), Some(4321)).is_ok() {
            write_file(&path, b"new").unwrap();
        }
        let found = fs::metadata(&path).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!((found.uid(), found.gid()) == (1234, 4321), is_root);
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/file"), "old").unwrap();
        fs::set_permissions(at("deep/file"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("deep/file", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        symlink("../new", at("deep/dangling")).unwrap();
        symlink("deep", at("folder")).unwrap();
        symlink("loop", at("loop")).unwrap();
        write_file(&at("two"), b"new").unwrap();
        assert_eq!(fs::read(at("deep/file")).unwrap(), b"new");
        assert_eq!(mode(&at("deep/file")), 0o600);
        write_file(&at("deep/dangling"), b"made").unwrap();
        assert_eq!(fs::read(at("new")).unwrap(), b"made");
        write_file(&at("folder/file"), b"newer").unwrap();
        assert_eq!(fs::read(at("deep/file")).unwrap(), b"newer");
        for link in ["one", "two", "deep/dangling", "folder"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
        assert_eq!(message(write_file(&at("loop"), b""), folder.path()), "loop: cannot write: too many symbolic links");
        assert_eq!(message(write_file(&at("folder"), b""), folder.path()), "folder: cannot write: is a directory");
    }

    #[test]
    fn pipes_and_devices_are_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        assert!(node(&pipe, FileType::Fifo, 0));
        symlink("pipe", &link).unwrap();
        for path in [&pipe, &link] {
            let reader = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::read(pipe).unwrap()
            });
            write_file(path, NEW).unwrap();
            assert_eq!(reader.join().unwrap(), NEW);
        }
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());

        symlink("/dev/null", folder.path().join("null")).unwrap();
        write_file(&folder.path().join("null"), NEW).unwrap();
        symlink("/dev/full", folder.path().join("full")).unwrap();
        assert_eq!(
            message(write_file(&folder.path().join("full"), NEW), folder.path()),
            "full: cannot write: No space left on device (os error 28)"
        );
        // Only an administrator can make a device, and replace one.
        let device = folder.path().join("device");
        if node(&device, FileType::CharacterDevice, makedev(1, 3)) && write_file(&device, NEW).is_ok() {
            assert!(fs::symlink_metadata(&device).unwrap().file_type().is_char_device());
        }
        let left = names(folder.path());
        assert!(left.iter().all(|name| !name.starts_with(PREFIX)), "{left:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_has_open_is_appended_to() {
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "before ").unwrap();
        let open = OpenOptions::new().append(true).open(&path).unwrap();
        let link = folder.path().join("link");
        symlink(format!("/proc/self/fd/{}", open.as_raw_fd()), &link).unwrap();
        write_file(&link, b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before after");
        assert!(is_at(&open, &path), "the file is the same one");
        assert_eq!(names(folder.path()), ["link", "x"]);
    }

    #[test]
    fn a_protected_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let result = write_file(&path, b"new");
        // An administrator may write anything.
        if !rustix::process::geteuid().is_root() {
            assert_eq!(message(result, folder.path()), "x: cannot write: Permission denied (os error 13)");
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        assert_eq!(mode(&path), 0o444);
        assert_eq!(names(folder.path()), ["x"]);
    }
}
