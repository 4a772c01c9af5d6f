//! What the system counts for this process.

/// Most memory this process has had at once, in bytes; unknown where there is no `/proc`.
pub fn peak_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_been_used() {
        if let Some(bytes) = peak_memory() {
            assert!(bytes > 1 << 16);
        }
    }
}
