//! How much memory this process can still get, as the system says.
//!
//! Asking for more does not fail where it could be told: pages are given when they are first written, and a process
//! that writes more of them than there are is killed. So the need of a step is compared with this before anything is
//! allocated.

use std::fmt;

/// Memory that can still be had, and what ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// Bytes.
    pub bytes: u64,
    /// The tightest limit.
    pub limit: MemoryLimit,
}

/// What limits the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// What the machine has free, swap included.
    Machine,
    /// A control group, for example that of a container.
    ControlGroup,
    /// The process's own limit of addresses, `ulimit -v`.
    AddressSpace,
    /// The process's own limit of data, `ulimit -d`.
    Data,
}

impl fmt::Display for MemoryLimit {
    /// As in `the machine has 3.0 GB left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemoryLimit::Machine => "the machine has",
            MemoryLimit::ControlGroup => "the control group has",
            MemoryLimit::AddressSpace => "`ulimit -v` has",
            MemoryLimit::Data => "`ulimit -d` has",
        })
    }
}

impl Available {
    /// Of this process now; nothing where the system does not say.
    pub fn now() -> Option<Available> {
        available(&|path| std::fs::read_to_string(path).ok())
    }
}

/// The tightest of all limits that the files of a Linux system tell.
fn available(read: &dyn Fn(&str) -> Option<String>) -> Option<Available> {
    let machine = read("/proc/meminfo").and_then(|text| machine(&text));
    let group = read("/proc/self/cgroup").and_then(|text| control_group(&text, read));
    let [addresses, data] = read("/proc/self/limits")
        .zip(read("/proc/self/status"))
        .map_or([None, None], |(limits, status)| own_limits(&limits, &status));
    let all = [
        (machine, MemoryLimit::Machine),
        (group, MemoryLimit::ControlGroup),
        (addresses, MemoryLimit::AddressSpace),
        (data, MemoryLimit::Data),
    ];
    let known = all.into_iter().filter_map(|(bytes, limit)| Some(Available { bytes: bytes?, limit }));
    known.min_by_key(|available| available.bytes)
}

/// What can be had without taking it from others.
fn machine(meminfo: &str) -> Option<u64> {
    let free = kilobytes(meminfo, "MemAvailable:")?;
    Some(free.saturating_add(kilobytes(meminfo, "SwapFree:").unwrap_or(0)))
}

/// Bytes of a line such as `MemAvailable:   22000 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What the group of this process and those around it have left, of either version.
fn control_group(groups: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let left = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let (root, limit, usage, cache) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current", ["inactive_file", "active_file"]),
            _ if controllers.split(',').any(|name| name == "memory") => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_inactive_file", "total_active_file"],
            ),
            _ => return None,
        };
        let number = |folder: &str, file: &str| read(&format!("{root}{folder}/{file}"))?.trim().parse::<u64>().ok();
        let left_in = |folder: &str| {
            let (limit, usage) = (number(folder, limit)?, number(folder, usage)?);
            // Pages of files are given up when memory is wanted.
            let stat = read(&format!("{root}{folder}/memory.stat")).unwrap_or_default();
            let is_cache = |line: &&str| line.split_once(' ').is_some_and(|(name, _)| cache.contains(&name));
            let cached = stat.lines().filter(is_cache).filter_map(|line| line.split_once(' ')?.1.parse::<u64>().ok());
            Some(limit.saturating_sub(usage.saturating_sub(cached.sum())))
        };
        ancestors(path).filter_map(left_in).min()
    };
    groups.lines().filter_map(left).min()
}

/// `/a/b`, `/a` and the root, which is empty.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path.trim_end_matches('/')), |path| path.rfind('/').map(|at| &path[..at]))
}

/// What the limits of addresses and of data leave.
fn own_limits(limits: &str, status: &str) -> [Option<u64>; 2] {
    [("Max address space", "VmSize:"), ("Max data size", "VmData:")].map(|(limit, used)| {
        let limit = limits.lines().find_map(|line| line.strip_prefix(limit))?;
        let limit: u64 = limit.split_whitespace().next()?.parse().ok()?;
        Some(limit.saturating_sub(kilobytes(status, used)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const MEMINFO: &str = "MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable:    5000 kB\nSwapFree: 1000 kB\n";
    const LIMITS: &str = "Limit  Soft Limit  Hard Limit  Units\nMax data size  unlimited  unlimited  bytes\n\
                          Max address space   4096000   unlimited   bytes\n";
    const STATUS: &str = "Name: x\nVmSize:    3000 kB\nVmData:  10 kB\n";

    fn found(files: &[(&str, &str)]) -> Option<Available> {
        let files: HashMap<_, _> = files.iter().copied().collect();
        available(&|path| files.get(path).map(ToString::to_string))
    }

    #[test]
    fn the_tightest_limit_counts() {
        use MemoryLimit::*;
        let bytes = |bytes, limit| Some(Available { bytes, limit });
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[("/proc/meminfo", MEMINFO)]), bytes(6000 * 1024, Machine));
        let own = [("/proc/meminfo", MEMINFO), ("/proc/self/limits", LIMITS), ("/proc/self/status", STATUS)];
        assert_eq!(found(&own), bytes(1000 * 1024, AddressSpace));
        let group = [("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/a/b\n")];
        let inner = [("/sys/fs/cgroup/a/b/memory.max", "max\n"), ("/sys/fs/cgroup/a/b/memory.current", "7000\n")];
        assert_eq!(found(&[&group[..], &inner].concat()), bytes(6000 * 1024, Machine));
        let outer = [("/sys/fs/cgroup/a/memory.max", "9000\n"), ("/sys/fs/cgroup/a/memory.current", "8000\n")];
        assert_eq!(found(&[&group[..], &inner, &outer].concat()), bytes(1000, ControlGroup));
        let stat = [("/sys/fs/cgroup/a/memory.stat", "anon 3\ninactive_file 500\nactive_file 40\n")];
        assert_eq!(found(&[&group[..], &inner, &outer, &stat].concat()), bytes(1540, ControlGroup));
    }

    /// In a container the path of the group often is that of the machine outside.
    #[test]
    fn groups_of_the_first_version() {
        let files = [
            ("/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "4000"),
            ("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 100"),
        ];
        assert_eq!(found(&files), Some(Available { bytes: 1100, limit: MemoryLimit::ControlGroup }));
    }

    #[test]
    fn this_process_has_some() {
        if let Some(available) = Available::now() {
            assert!(available.bytes > 1 << 20, "{available:?}");
        }
    }
}
