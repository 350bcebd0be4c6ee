//! Control groups, version 1, version 2, and both at once: limits, membership, and the kernel's word on memory.
//!
//! Each process gets a group of its own, `fairway/<id>.<supervisor's pid>.<number>`, below the supervisor's own
//! group, so that limits set on the supervisor's unit or container still bound everything. The last two parts make
//! the name unique; a group found empty whose supervisor is gone is removed.
//!
//! Whatever cannot be had is said in words and does not keep the process from starting.

use crate::{Identity, Limits, procfs};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The directory that holds our groups.
const OURS: &str = "fairway";
/// The leaf that the supervisor moves itself to, where version 2 forbids a group to have both processes and children.
const LEAF: &str = "fairway-supervisor";
/// How long an empty group may refuse to go while the kernel still cleans up.
const REMOVE_WITHIN: Duration = Duration::from_millis(500);

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

    /// Makes a group for `id` with `limits`, as far as permitted; the notes say which limits are not enforced and why.
    #[must_use]
    pub(crate) fn create(&self, id: &str, limits: &Limits) -> (Group, Vec<String>) {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}.{}.{number}", file_name(id), std::process::id());
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

    /// The group of ours that a process is in, if it is in one.
    pub(crate) fn find(&self, pid: u32) -> Group {
        let Ok(membership) = procfs::text(pid, "cgroup") else { return Group::default() };
        let names: BTreeSet<&str> = membership
            .lines()
            .filter_map(|line| line.splitn(3, ':').nth(2))
            .filter_map(|path| path.rsplit_once('/'))
            .filter(|(parent, name)| parent.ends_with(&format!("/{OURS}")) && parse_name(name).is_some())
            .map(|(_, name)| name)
            .collect();
        self.existing(|name| names.contains(name))
    }

    /// The groups that were made for `id`, by any supervisor that stood where this one stands.
    pub(crate) fn find_by_id(&self, id: &str) -> Group {
        let id = file_name(id);
        self.existing(|name| parse_name(name).is_some_and(|(of, _)| of == id))
    }

    fn existing(&self, wanted: impl Fn(&str) -> bool) -> Group {
        let find = |parent: &Path| {
            let entries = fs::read_dir(parent.join(OURS)).into_iter().flatten().flatten();
            entries
                .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
                .map(|entry| entry.path())
                .next()
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

/// A name for a directory, made of an id.
fn file_name(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    id.chars().map(plain).take(180).collect()
}

/// The id and the supervisor of a group's name.
fn parse_name(name: &str) -> Option<(&str, u32)> {
    let mut parts = name.rsplitn(3, '.');
    parts.next()?.parse::<u64>().ok()?;
    let supervisor = parts.next()?.parse().ok()?;
    Some((parts.next()?, supervisor))
}

/// Settings that not every kernel has; without them the limit still holds, or holds for memory without swap.
const OPTIONAL: [&str; 2] = ["memory.memsw.limit_in_bytes", "memory.swap.max"];

/// `(limit, file, value)` for one controller of version 1, in the order in which they have to be written.
fn settings_v1(controller: &str, limits: &Limits) -> Vec<(&'static str, &'static str, String)> {
    let Limits { memory_bytes, cpu_millis, pids } = *limits;
    let mut settings = Vec::new();
    match controller {
        "memory" => {
            if let Some(bytes) = memory_bytes {
                settings.push(("memory", "memory.limit_in_bytes", bytes.to_string()));
                settings.push(("memory", "memory.memsw.limit_in_bytes", bytes.to_string()));
            }
        }
        "cpu" => {
            if let Some(millis) = cpu_millis {
                settings.push(("cpu", "cpu.cfs_period_us", PERIOD.to_string()));
                settings.push(("cpu", "cpu.cfs_quota_us", quota(millis).to_string()));
            }
        }
        "pids" => {
            if let Some(pids) = pids {
                settings.push(("pids", "pids.max", pids.to_string()));
            }
        }
        _ => {}
    }
    settings
}

/// The same for version 2, for all controllers.
fn settings_v2(limits: &Limits) -> Vec<(&'static str, &'static str, String)> {
    let Limits { memory_bytes, cpu_millis, pids } = *limits;
    let mut settings = Vec::new();
    if let Some(bytes) = memory_bytes {
        settings.push(("memory", "memory.max", bytes.to_string()));
        settings.push(("memory", "memory.swap.max", "0".to_owned()));
    }
    if let Some(millis) = cpu_millis {
        settings.push(("cpu", "cpu.max", format!("{} {PERIOD}", quota(millis))));
    }
    if let Some(pids) = pids {
        settings.push(("pids", "pids.max", pids.to_string()));
    }
    settings
}

/// Scheduling period in microseconds.
const PERIOD: u64 = 100_000;

/// Microseconds of CPU for each period; the kernel takes no less than 1,000.
fn quota(millis: u32) -> u64 {
    (u64::from(millis) * PERIOD / 1_000).max(1_000)
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

/// Where our groups stand in version 2: beside the supervisor once it has moved itself to a leaf.
fn base(own: &Path) -> &Path {
    match own.parent() {
        Some(parent) if own.ends_with(LEAF) => parent,
        _ => own,
    }
}

/// A group of version 2 and the controllers that it does not have, each with the reason.
type MadeV2<'a> = (PathBuf, BTreeMap<&'a str, String>);

/// Makes the group below the supervisor's own one; where that cannot have all controllers, below the root.
fn make_v2<'a>(
    own: &Path,
    root: &Path,
    name: &str,
    controllers: &BTreeSet<&'a str>,
) -> Result<MadeV2<'a>, String> {
    let first = make_v2_below(base(own), name, controllers);
    if base(own) == root || matches!(&first, Ok((_, missing)) if missing.is_empty()) {
        return first;
    }
    match (first, make_v2_below(root, name, controllers)) {
        (Ok((unused, missing)), Ok(second)) if second.1.len() < missing.len() => {
            let _ = fs::remove_dir(unused);
            Ok(second)
        }
        (Ok(first), Ok((unused, _))) => {
            let _ = fs::remove_dir(unused);
            Ok(first)
        }
        (first, second) => first.or(second),
    }
}

fn make_v2_below<'a>(
    parent: &Path,
    name: &str,
    controllers: &BTreeSet<&'a str>,
) -> Result<MadeV2<'a>, String> {
    let ours = parent.join(OURS);
    fs::create_dir_all(&ours).map_err(|error| format!("{}: {error}", ours.display()))?;
    let mut missing = BTreeMap::new();
    for controller in controllers {
        if let Err(why) = enable(parent, controller).and_then(|()| enable(&ours, controller)) {
            missing.insert(*controller, why);
        }
    }
    Ok((make(&ours, name)?, missing))
}

/// Hands `controller` on to the children of `dir`.
fn enable(dir: &Path, controller: &str) -> Result<(), String> {
    let file = dir.join("cgroup.subtree_control");
    let listed = |text: &str| text.split_ascii_whitespace().any(|each| each == controller);
    if fs::read_to_string(&file).is_ok_and(|text| listed(&text)) {
        return Ok(());
    }
    let available = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    if !listed(&available) {
        return Err(format!("{} has no {controller} controller", dir.display()));
    }
    let write = || fs::write(&file, format!("+{controller}"));
    let said = |error: io::Error| format!("{}: {error}", file.display());
    match write() {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            // The group has processes of its own. When that is only the supervisor, it can step aside.
            let own = std::process::id().to_string();
            let alone = fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|text| text.trim() == own);
            if !alone {
                return Err(format!(
                    "{}: other processes share the supervisor's control group",
                    dir.display()
                ));
            }
            let leaf = dir.join(LEAF);
            fs::create_dir_all(&leaf)
                .and_then(|()| fs::write(leaf.join("cgroup.procs"), own))
                .map_err(said)?;
            write().map_err(said)
        }
        other => other.map_err(said),
    }
}

/// The control group of one process: a directory in each hierarchy, or nothing at all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Group {
    unified: Option<PathBuf>,
    legacy: BTreeMap<String, PathBuf>,
    memory_limit: Option<u64>,
}

impl Group {
    fn dirs(&self) -> impl Iterator<Item = &PathBuf> {
        self.unified.iter().chain(self.legacy.values())
    }

    /// Open files; a process that writes `0` to one is a member.
    pub(crate) fn entries(&self) -> Vec<OwnedFd> {
        let open = |dir: &PathBuf| fs::OpenOptions::new().write(true).open(dir.join("cgroup.procs")).ok();
        self.dirs().filter_map(open).map(OwnedFd::from).collect()
    }

    /// Notes for the limits that do not hold because the process did not become a member.
    pub(crate) fn unjoined(&self, identity: &Identity, limits: &Limits) -> Vec<String> {
        let absent = |dir: &Path| !pids(dir).contains(&identity.pid) && identity.is_running();
        let mut failed = BTreeMap::new();
        for (limit, _, _) in settings_v2(limits) {
            if let Some(dir) = self.legacy.get(limit).or(self.unified.as_ref())
                && absent(dir)
            {
                failed.insert(limit, format!("the process could not be moved into {}", dir.display()));
            }
        }
        notes(&failed)
    }

    /// Everything inside.
    pub(crate) fn members(&self) -> BTreeSet<u32> {
        self.dirs().flat_map(|dir| pids(dir)).collect()
    }

    /// Kills everything inside, where the kernel can do that in one step (version 2, Linux 5.14).
    pub(crate) fn kill(&self) {
        if let Some(dir) = &self.unified {
            let _ = fs::write(dir.join("cgroup.kill"), "1");
        }
    }

    /// Has the kernel killed anything inside for want of memory?
    pub(crate) fn out_of_memory(&self) -> bool {
        let killed = |path: PathBuf| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            count.is_some_and(|count| count.trim() != "0")
        };
        match self.legacy.get("memory") {
            Some(dir) => killed(dir.join("memory.oom_control")),
            None => self.unified.as_ref().is_some_and(|dir| killed(dir.join("memory.events"))),
        }
    }

    pub(crate) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    fn read_memory_limit(&self) -> Option<u64> {
        let file = match self.legacy.get("memory") {
            Some(dir) => dir.join("memory.limit_in_bytes"),
            None => self.unified.as_ref()?.join("memory.max"),
        };
        // "No limit" is `max` in version 2 and a number near the top in version 1.
        fs::read_to_string(file).ok()?.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
    }

    /// Removes the directories; waits a moment while the kernel still counts members that have ended.
    pub(crate) async fn remove(&self) {
        let deadline = tokio::time::Instant::now() + REMOVE_WITHIN;
        for dir in self.dirs() {
            while let Err(error) = fs::remove_dir(dir) {
                if error.kind() == io::ErrorKind::NotFound {
                    break;
                }
                if tokio::time::Instant::now() >= deadline {
                    tracing::debug!(dir = %dir.display(), %error, "a control group is left; it is removed later");
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

fn pids(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
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

        let pure = Cgroups::parse(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/s/f.service\n",
            |_| true,
        );
        assert_eq!(pure.unified.unwrap().0, PathBuf::from("/sys/fs/cgroup/s/f.service"));
        assert!(pure.legacy.is_empty());
    }

    #[test]
    fn settings_of_both_versions() {
        let limits = Limits { memory_bytes: Some(64 << 20), cpu_millis: Some(500), pids: Some(10) };
        assert_eq!(
            settings_v2(&limits).iter().map(|(_, file, value)| format!("{file}={value}")).collect::<Vec<_>>(),
            ["memory.max=67108864", "memory.swap.max=0", "cpu.max=50000 100000", "pids.max=10"]
        );
        let v1: Vec<String> = ["memory", "cpu", "pids", "cpuset"]
            .iter()
            .flat_map(|controller| settings_v1(controller, &limits))
            .map(|(_, file, value)| format!("{file}={value}"))
            .collect();
        assert_eq!(
            v1,
            [
                "memory.limit_in_bytes=67108864",
                "memory.memsw.limit_in_bytes=67108864",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "pids.max=10"
            ]
        );
        assert!(settings_v2(&Limits::default()).is_empty());
        assert_eq!(quota(1), 1_000);
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
        assert_eq!(found.find_by_id("web/1").unified, Some(path));
        assert_eq!(found.find_by_id("web/2").unified, None);

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
    fn a_supervisor_in_its_leaf_makes_groups_beside_it() {
        assert_eq!(base(Path::new("/s/f.service/fairway-supervisor")), Path::new("/s/f.service"));
        assert_eq!(base(Path::new("/s/f.service")), Path::new("/s/f.service"));
    }

    #[test]
    fn names() {
        assert_eq!(file_name("test/pr-42/web 1"), "test_pr-42_web_1");
        assert_eq!(parse_name("a.b.17.3"), Some(("a.b", 17)));
        assert_eq!(parse_name("a.b.c"), None);
        assert_eq!(parse_name("3"), None);
    }
}
