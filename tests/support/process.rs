//! What the kernel knows of a process.

use std::time::Duration;

/// How long it has used a processor. The kernel counts hundredths of a second.
pub fn cpu(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // "1234 (redis-server) S 1 ...": proc_pid_stat(5) numbers these from 3 on.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |number: usize| fields[number - 3].parse::<u64>().unwrap();
    // Of all threads, in user space and in the kernel; a tick is 10 ms on every Linux that Envoy runs on.
    Duration::from_millis(10 * (ticks(14) + ticks(15)))
}
