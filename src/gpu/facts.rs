//! What files and variables say about the machine's driver. It only reads, and asks no driver.
//! Kept out: what follows from it (`cause`).

use std::path::{Path, PathBuf};

/// Where loaders look for the driver beside `LD_LIBRARY_PATH`: Debian's and Red Hat's folders, NVIDIA's container images,
/// Windows' subsystem.
const FOLDERS: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/local/nvidia/lib64",
    "/usr/local/cuda/compat",
    "/usr/lib/wsl/lib",
];
/// Where stubs of the driver lie in a toolkit: they have its symbols, and no driver behind them.
const LIBRARY: &str = "libcuda.so.1";

/// What kind of machine a library is for, by its first bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// For this one.
    Here,
    /// For another: its number in the file (`e_machine` of ELF).
    Elsewhere(u16),
    /// It is no library.
    NoLibrary,
}

/// What was seen.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Facts {
    /// Files named libcuda.so.1 that a loader would find, in its order.
    pub libraries: Vec<(PathBuf, Made)>,
    /// The version of the kernel's driver; it is seen in every container.
    pub kernel_driver: Option<String>,
    /// Whether /proc/driver/nvidia is there.
    pub kernel_files: bool,
    /// `/dev/nvidia0` and so on.
    pub device_files: Vec<PathBuf>,
    /// Those of them, with /dev/nvidiactl, that this user may not use.
    pub forbidden: Vec<PathBuf>,
    /// Whether this is a container.
    pub container: bool,
    /// Whether a job of GitHub's runs here.
    pub github: bool,
    /// `NVIDIA_VISIBLE_DEVICES`, if set.
    pub nvidia_visible: Option<String>,
    /// `CUDA_VISIBLE_DEVICES`, if set.
    pub cuda_visible: Option<String>,
}

/// Looks.
pub(super) fn look() -> Facts {
    let variable = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let extra = variable("LD_LIBRARY_PATH").unwrap_or_default();
    let extra = extra.split(':').filter(|folder| !folder.is_empty());
    let mut libraries: Vec<(PathBuf, Made)> = Vec::new();
    for folder in extra.chain(FOLDERS) {
        let path = Path::new(folder).join(LIBRARY);
        if let Some(made) = made(&path) {
            libraries.push((path, made));
        }
    }
    let kernel = Path::new("/proc/driver/nvidia");
    let version = std::fs::read_to_string(kernel.join("version")).ok();
    let device_files = device_files(Path::new("/dev"));
    let control = PathBuf::from("/dev/nvidiactl");
    let usable = |path: &Path| {
        use rustix::fs::{Access, access};
        access(path, Access::READ_OK | Access::WRITE_OK) != Err(rustix::io::Errno::ACCESS)
    };
    let forbidden = device_files.iter().chain([&control]).filter(|path| !usable(path)).cloned().collect();
    Facts {
        libraries,
        kernel_driver: version.as_deref().and_then(version_of),
        kernel_files: kernel.exists(),
        forbidden,
        device_files,
        container: is_container(),
        github: variable("GITHUB_ACTIONS").as_deref() == Some("true"),
        nvidia_visible: variable("NVIDIA_VISIBLE_DEVICES"),
        cuda_visible: variable("CUDA_VISIBLE_DEVICES"),
    }
}

/// Whether this process is in a container: by the files that engines leave there, Kubernetes' variable, or the control group.
pub(super) fn is_container() -> bool {
    let groups = std::fs::read_to_string("/proc/1/cgroup").unwrap_or_default();
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || ["docker", "kubepods", "containerd", "libpod", "lxc"].iter().any(|word| groups.contains(word))
}

fn device_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_device = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = name.strip_prefix("nvidia").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_device).collect();
    found.sort();
    found
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  ...`: the first word that is a version.
fn version_of(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        word.contains('.') && word.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

fn made(path: &Path) -> Option<Made> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).ok()?;
    let mut head = Vec::new();
    file.by_ref().take(20).read_to_end(&mut head).ok()?;
    Some(machine_of(&head))
}

/// Source: the ELF specification: magic, class, order of bytes, and `e_machine` at byte 18.
fn machine_of(head: &[u8]) -> Made {
    let [0x7f, b'E', b'L', b'F', class, order, .., low, high] = head else { return Made::NoLibrary };
    if head.len() != 20 {
        return Made::NoLibrary;
    }
    let machine = if *order == 2 { u16::from_be_bytes([*low, *high]) } else { u16::from_le_bytes([*low, *high]) };
    let own = if cfg!(target_arch = "aarch64") { 183 } else { 62 };
    if machine == own && *class == 2 && *order == 1 { Made::Here } else { Made::Elsewhere(machine) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_a_library_is_read_from_its_head() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(machine_of(&own[..20]), Made::Here);
        let mut other = own[..20].to_vec();
        other[18..20].copy_from_slice(&243_u16.to_le_bytes());
        assert_eq!(machine_of(&other), Made::Elsewhere(243));
        // 32 bits of the same family are another machine.
        let mut narrow = own[..20].to_vec();
        (narrow[4], narrow[18]) = (1, 3);
        assert_eq!(machine_of(&narrow), Made::Elsewhere(3));
        assert_eq!(machine_of(b"!<arch>\n............"), Made::NoLibrary);
        assert_eq!(machine_of(&own[..19]), Made::NoLibrary);
        assert_eq!(machine_of(b""), Made::NoLibrary);
    }

    #[test]
    fn the_kernels_driver_is_found_in_both_forms() {
        let closed = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc 12.2.0";
        let open = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (root)";
        assert_eq!(version_of(closed).as_deref(), Some("535.104.05"));
        assert_eq!(version_of(open).as_deref(), Some("580.159.04"));
        assert_eq!(version_of(""), None);
    }
}
