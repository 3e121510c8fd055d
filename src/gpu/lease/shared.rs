//! Whether other jobs can see the folder at all: one that belongs to a container alone guards nothing.

use std::path::{Path, PathBuf};

use crate::gpu::facts::is_container;

/// Whether we are in a container, and the folder is none that was mounted into it.
pub fn private_to_container(folder: &Path) -> bool {
    let (Ok(table), Ok(folder)) = (std::fs::read_to_string("/proc/self/mountinfo"), folder.canonicalize()) else {
        return false;
    };
    is_container() && !is_mounted(&table, &folder)
}

/// Whether the deepest mount around a folder comes from outside: neither the container's own root nor memory of its own.
/// The table's fields are those of proc_pid_mountinfo(5).
fn is_mounted(table: &str, folder: &Path) -> bool {
    let mount = |line: &str| -> Option<(PathBuf, String, String)> {
        let (front, back) = line.split_once(" - ")?;
        let mut fields = front.split(' ');
        let root = fields.nth(3)?;
        let place = fields.next()?.replace("\\040", " ");
        Some((PathBuf::from(place), root.to_owned(), back.split(' ').next()?.to_owned()))
    };
    let around = table.lines().filter_map(mount).filter(|(place, _, _)| folder.starts_with(place));
    // Of two mounts at one place the later one is seen.
    let deepest = around.fold(None, |best: Option<(PathBuf, String, String)>, next| match best {
        Some(best) if best.0.components().count() > next.0.components().count() => Some(best),
        Some(_) | None => Some(next),
    });
    deepest.is_some_and(|(place, root, kind)| {
        let own_memory = kind == "tmpfs" && root == "/";
        place != Path::new("/") && !own_memory
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
612 500 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a
613 612 0:61 / /run rw,nosuid - tmpfs tmpfs rw,size=65536k
614 613 0:25 /lock/llmci-gpu /run/lock/llmci-gpu rw,nosuid - tmpfs tmpfs rw,size=5120k
615 612 8:1 /srv/leases /leases rw - ext4 /dev/sda1 rw
";

    #[test]
    fn only_a_folder_of_the_machine_is_shared() {
        let mounted = |folder: &str| is_mounted(TABLE, Path::new(folder));
        assert!(mounted("/run/lock/llmci-gpu"));
        assert!(mounted("/leases/gpu"));
        assert!(!mounted("/run/lock/other"));
        assert!(!mounted("/var/lock/llmci-gpu"));
    }
}
