//! Control groups, version 1, version 2, and both at once: limits, membership, and the kernel's word on memory.
//!
//! Each process gets a group of its own, `fairway/<id>-<hash of its log's path>.<supervisor's pid>.<number>`, below the supervisor's own
//! group, so that limits set on the supervisor's unit or container still bound everything. The last two parts make
//! the name unique; a group found empty whose supervisor is gone is removed.
//!
//! Whatever cannot be had is said in words and does not keep the process from starting.

mod group;
mod settings;
mod unified;

pub(crate) use group::Group;

use crate::{Limits, Spec, procfs};
use settings::{OPTIONAL, settings_v1, settings_v2};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use unified::{base, make_v2};

/// The directory that holds our groups.
const OURS: &str = "fairway";
/// The hierarchies of this machine, as the current process sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroups {
    /// Version 2: our own group, and the root of the mount.
    unified: Option<(PathBuf, PathBuf)>,
    /// Version 1: our own group by controller.
    legacy: BTreeMap<String, PathBuf>,
}

impl Cgroups {
    /// Looks what is mounted and where the current process stands in it.
    #[must_use]
    pub fn detect() -> Self {
        let own = std::process::id();
        match (procfs::text(own, "mountinfo"), procfs::text(own, "cgroup")) {
            (Ok(mounts), Ok(membership)) => Self::parse(&mounts, &membership, Path::exists),
            _ => Self::default(),
        }
    }

    fn parse(mounts: &str, membership: &str, exists: impl Fn(&Path) -> bool) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let mut after = after.split(' ');
            let (kind, options) = (after.next(), after.nth(1).unwrap_or_default());
            let mut before = before.split(' ').skip(3);
            let (Some(root), Some(point)) = (before.next(), before.next()) else { continue };
            let own = |name: &str| {
                let path = membership.lines().find_map(|line| {
                    let mut parts = line.splitn(3, ':').skip(1);
                    let (names, path) = (parts.next()?, parts.next()?);
                    (names == name || names.split(',').any(|each| each == name)).then_some(path)
                })?;
                // Inside a container the mount may show only a part of the tree, and not ours.
                let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or("");
                let full = Path::new(point).join(below.trim_start_matches('/'));
                Some(if exists(&full) { full } else { PathBuf::from(point) })
            };
            match kind {
                Some("cgroup2") if found.unified.is_none() => {
                    found.unified = own("").map(|path| (path, PathBuf::from(point)));
                }
                Some("cgroup") => {
                    for controller in ["memory", "cpu", "pids"] {
                        if options.split(',').any(|option| option == controller)
                            && let Some(path) = own(controller)
                        {
                            found.legacy.entry(controller.to_owned()).or_insert(path);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// Makes a group for `key` with `limits`, as far as permitted; the notes say which limits are not enforced and why.
    #[must_use]
    pub(crate) fn create(&self, key: &str, limits: &Limits) -> (Group, Vec<String>) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}.{number}", file_name(key), std::process::id());
        let mut group = Group::default();
        let mut failed: BTreeMap<&str, String> = BTreeMap::new();

        for (controller, own) in &self.legacy {
            let wanted = settings_v1(controller, limits);
            match make(&own.join(OURS), &name) {
                Ok(dir) => {
                    for (limit, file, value) in wanted {
                        if let Err(error) = fs::write(dir.join(file), &value)
                            && !OPTIONAL.contains(&file)
                        {
                            failed.insert(limit, format!("{}: {error}", dir.join(file).display()));
                        }
                    }
                    group.legacy.insert(controller.clone(), dir);
                }
                Err(error) => {
                    for (limit, _, _) in wanted {
                        failed.insert(limit, error.clone());
                    }
                }
            }
        }

        let wanted: Vec<_> = settings_v2(limits)
            .into_iter()
            .filter(|(limit, _, _)| !self.legacy.contains_key(*limit))
            .collect();
        if let Some((own, root)) = &self.unified {
            let controllers: BTreeSet<&str> = wanted.iter().map(|(limit, _, _)| *limit).collect();
            match make_v2(own, root, &name, &controllers) {
                Ok((dir, missing)) => {
                    for (limit, file, value) in
                        wanted.iter().filter(|(limit, _, _)| !missing.contains_key(limit))
                    {
                        if let Err(error) = fs::write(dir.join(file), value)
                            && !OPTIONAL.contains(file)
                        {
                            failed.insert(limit, format!("{}: {error}", dir.join(file).display()));
                        }
                    }
                    failed.extend(missing);
                    group.unified = Some(dir);
                }
                Err(error) => {
                    for (limit, _, _) in &wanted {
                        failed.insert(limit, error.clone());
                    }
                }
            }
        } else {
            for (limit, _, _) in &wanted {
                failed.insert(limit, "this machine has no control group for it".into());
            }
        }
        if limits.memory_bytes.is_some() && !failed.contains_key("memory") {
            group.memory_limit = limits.memory_bytes;
        }
        (group, notes(&failed))
    }

    /// Which limits could not be enforced here, each with the reason, as a process's own notes would say it. Empty when
    /// all can. Tries it with a group that is removed again.
    pub async fn missing(&self) -> Vec<String> {
        let limits = Limits { memory_bytes: Some(1 << 30), cpu_millis: Some(1_000), pids: Some(1_000) };
        let (group, notes) = self.create("check", &limits);
        group.remove().await;
        notes
    }

    /// The group of ours that a process is in, if it is in one; also one that was made by a supervisor which stood
    /// elsewhere in the tree.
    pub(crate) fn find(pid: u32) -> Group {
        let (Ok(mounts), Ok(membership)) = (procfs::text(pid, "mountinfo"), procfs::text(pid, "cgroup"))
        else {
            return Group::default();
        };
        Self::parse(&mounts, &membership, Path::exists).ours()
    }

    /// Taken as the place of a process: those directories that are groups of ours.
    fn ours(self) -> Group {
        let is_ours = |dir: &Path| {
            dir.parent().is_some_and(|parent| parent.ends_with(OURS))
                && dir
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| parse_name(name).is_some())
        };
        let mut group = Group {
            unified: self.unified.map(|(own, _)| own).filter(|dir| is_ours(dir)),
            legacy: self.legacy.into_iter().filter(|(_, dir)| is_ours(dir)).collect(),
            memory_limit: None,
        };
        group.memory_limit = group.read_memory_limit();
        group
    }

    /// The group that was made for `key`, by any supervisor that stood where this one stands.
    pub(crate) fn find_by_key(&self, key: &str) -> Group {
        let key = file_name(key);
        self.existing(|name| parse_name(name).is_some_and(|(of, _)| of == key))
    }

    fn existing(&self, wanted: impl Fn(&str) -> bool) -> Group {
        let find = |parent: &Path| {
            let entries = fs::read_dir(parent.join(OURS)).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
                .map(|entry| entry.path())
                // An empty one may be left from an earlier run.
                .max_by_key(|dir| group::pids(dir).len())
        };
        let mut group = Group::default();
        for (controller, own) in &self.legacy {
            if let Some(dir) = find(own) {
                group.legacy.insert(controller.clone(), dir);
            }
        }
        if let Some((own, root)) = &self.unified {
            group.unified = [base(own), own, root].into_iter().find_map(find);
        }
        group.memory_limit = group.read_memory_limit();
        group
    }
}

/// What the group of a process is found again by: its id, and, because other supervisors of this machine may use the
/// same ids, a hash of the one path that cannot be shared, that of its log.
pub(crate) fn key(spec: &Spec) -> String {
    // FNV-1a, which is the same in every version of this program.
    let hash =
        spec.log.path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{}-{hash:016x}", file_name(&spec.id))
}

/// A name for a directory.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    id.chars().map(plain).take(200).collect()
}

/// The id and the supervisor of a group's name.
fn parse_name(name: &str) -> Option<(&str, u32)> {
    let mut parts = name.rsplitn(3, '.');
    parts.next()?.parse::<u64>().ok()?;
    let supervisor = parts.next()?.parse().ok()?;
    Some((parts.next()?, supervisor))
}

fn notes(failed: &BTreeMap<&str, String>) -> Vec<String> {
    let note = |(limit, why): (&&str, &String)| format!("limits not enforced: {limit} ({why})");
    failed.iter().map(note).collect()
}

/// Makes `parent/name` and removes what earlier supervisors have left in `parent`.
fn make(parent: &Path, name: &str) -> Result<PathBuf, String> {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let orphaned = name
            .to_str()
            .and_then(parse_name)
            .is_some_and(|(_, supervisor)| procfs::Stat::of(supervisor).is_none());
        if orphaned {
            // Fails while anything is inside, which is right.
            let _ = fs::remove_dir(entry.path());
        }
    }
    let dir = parent.join(name);
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
31 23 0:27 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
32 23 0:28 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
34 23 0:30 / /proc rw - proc proc rw
";

    #[test]
    fn hierarchies_are_found_in_every_arrangement() {
        let membership = "9:pids:/docker/abc/x\n4:memory:/a/b\n2:cpu,cpuacct:/\n0::/own\n";
        let found = Cgroups::parse(HYBRID, membership, |_| true);
        assert_eq!(
            found.unified,
            Some(("/sys/fs/cgroup/unified/own".into(), "/sys/fs/cgroup/unified".into()))
        );
        let legacy: Vec<_> =
            found.legacy.iter().map(|(name, path)| (name.as_str(), path.to_str().unwrap())).collect();
        assert_eq!(
            legacy,
            [
                ("cpu", "/sys/fs/cgroup/cpu,cpuacct/"),
                ("memory", "/sys/fs/cgroup/memory/a/b"),
                ("pids", "/sys/fs/cgroup/pids/x"),
            ]
        );

        let hidden = Cgroups::parse(HYBRID, membership, |path| !path.ends_with("a/b"));
        assert_eq!(hidden.legacy["memory"], PathBuf::from("/sys/fs/cgroup/memory"));
        assert_eq!(Cgroups::parse("", membership, |_| true), Cgroups::default());
        assert_eq!(found.ours().dirs().count(), 0);

        let membership = "9:pids:/docker/abc/fairway/web.7.0\n4:memory:/fairway/web.7.x\n2:cpu,cpuacct:/fairway/web.7.0/own\n0::/a/fairway/web.7.0\n";
        let ours = Cgroups::parse(HYBRID, membership, |_| true).ours();
        let dirs: Vec<&str> = ours.dirs().map(|dir| dir.to_str().unwrap()).collect();
        assert_eq!(dirs, ["/sys/fs/cgroup/unified/a/fairway/web.7.0", "/sys/fs/cgroup/pids/fairway/web.7.0"]);

        let pure = Cgroups::parse(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/s/f.service\n",
            |_| true,
        );
        assert_eq!(pure.unified.unwrap().0, PathBuf::from("/sys/fs/cgroup/s/f.service"));
        assert!(pure.legacy.is_empty());
    }

    #[test]
    fn what_is_missing_is_said() {
        let limits = Limits { memory_bytes: Some(1), cpu_millis: Some(1), pids: None };
        let (group, notes) = Cgroups::default().create("web", &limits);
        assert_eq!(group.dirs().count(), 0);
        assert_eq!(
            notes,
            [
                "limits not enforced: cpu (this machine has no control group for it)",
                "limits not enforced: memory (this machine has no control group for it)",
            ]
        );
        assert!(Cgroups::default().create("web", &Limits::default()).1.is_empty());
    }

    /// A directory that looks like version 2 with these controllers.
    fn unified(controllers: &str) -> (tempfile::TempDir, Cgroups) {
        let dir = tempfile::tempdir().unwrap();
        for group in [dir.path().to_owned(), dir.path().join(OURS)] {
            fs::create_dir_all(&group).unwrap();
            fs::write(group.join("cgroup.controllers"), controllers).unwrap();
            fs::write(group.join("cgroup.subtree_control"), "").unwrap();
        }
        let found = Cgroups {
            unified: Some((dir.path().to_owned(), dir.path().to_owned())),
            legacy: BTreeMap::new(),
        };
        (dir, found)
    }

    #[test]
    fn version_2_hands_controllers_on_and_sets_limits() {
        let limits = Limits { memory_bytes: Some(1 << 20), cpu_millis: Some(1500), pids: None };
        let (dir, found) = unified("cpuset cpu io memory pids\n");
        let (group, notes) = found.create("web/1", &limits);
        assert!(notes.is_empty(), "{notes:?}");
        let path = group.unified.clone().unwrap();
        assert!(path.starts_with(dir.path().join(OURS)) && path.to_string_lossy().contains("/web_1."));
        for (file, expect) in
            [("memory.max", "1048576"), ("memory.swap.max", "0"), ("cpu.max", "150000 100000")]
        {
            assert_eq!(fs::read_to_string(path.join(file)).unwrap(), expect);
        }
        assert!(!path.join("pids.max").exists());
        assert_eq!(group.memory_limit(), Some(1 << 20));
        assert!(!group.out_of_memory());
        fs::write(path.join("memory.events"), "low 0\noom 1\noom_kill 1\n").unwrap();
        assert!(group.out_of_memory());
        assert_eq!(found.find_by_key("web/1").unified, Some(path));
        assert_eq!(found.find_by_key("web/2").unified, None);

        let (_dir, found) = unified("cpu\n");
        let (group, notes) = found.create("web", &limits);
        assert!(group.memory_limit().is_none());
        assert_eq!(notes.len(), 1, "the limit that can be had is set: {notes:?}");
        assert!(
            notes.iter().any(|note| note.starts_with("limits not enforced: memory (")
                && note.contains("no memory controller")),
            "{notes:?}"
        );
    }

    #[test]
    fn names() {
        assert_eq!(file_name("test/pr-42/web 1"), "test_pr-42_web_1");
        assert_eq!(parse_name("a.b.17.3"), Some(("a.b", 17)));
        assert_eq!(parse_name("a.b.c"), None);
        assert_eq!(parse_name("3"), None);
    }
}
