//! How many threads a step has unless somebody says so.

use std::collections::BTreeSet;

/// One for each physical core that this process may use, at least 1: two threads of one core share its arithmetic
/// units, so that a second one gains nothing. Affinity masks and the quota of a control group are heeded.
pub fn default_threads() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).ok();
    allowed_cores(&read).unwrap_or_else(num_cpus::get_physical).clamp(1, usable)
}

/// Physical cores among the processors that this process may run on, as Linux tells; nothing if it does not.
fn allowed_cores(read: &dyn Fn(&str) -> Option<String>) -> Option<usize> {
    let status = read("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = BTreeSet::new();
    for processor in processors(list.trim())? {
        let siblings = read(&format!("/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"))?;
        // Every thread of a core has the same list.
        cores.insert(siblings.trim().to_owned());
    }
    Some(cores.len())
}

/// The numbers of a list such as `0-3,8`.
fn processors(list: &str) -> Option<Vec<usize>> {
    /// More than any machine has; a longer list is none.
    const MOST: usize = 1 << 16;
    let mut all = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last >= MOST {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_core_count_once() {
        let machine = |allowed: &'static str| {
            move |path: &str| match path {
                "/proc/self/status" => Some(format!("Name: x\nCpus_allowed_list:\t{allowed}\n")),
                // Processors 0 and 4 are one core, and so on.
                _ => {
                    let number: usize =
                        path.strip_prefix("/sys/devices/system/cpu/cpu")?.split('/').next()?.parse().ok()?;
                    (number < 8).then(|| format!("{},{}\n", number % 4, number % 4 + 4))
                }
            }
        };
        assert_eq!(allowed_cores(&machine("0-7")), Some(4));
        assert_eq!(allowed_cores(&machine("0,4")), Some(1));
        assert_eq!(allowed_cores(&machine("0-1,5")), Some(2));
        assert_eq!(allowed_cores(&machine("7-8")), None, "there is no processor 8");
        assert_eq!(allowed_cores(&machine("x")), None);
        assert_eq!(allowed_cores(&|_| None), None);
        assert!(default_threads() >= 1);
    }
}
