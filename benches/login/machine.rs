//! What the operating system says about processes: processor time and memory.

use std::fs;

use crate::Outcome;

/// What a process used up to now, in seconds.
#[derive(Debug, Clone, Copy)]
struct Used {
    parent: u32,
    own: f64,
    /// Of its children that ended.
    reaped: f64,
}

/// The kernel's unit in `/proc/PID/stat`: a hundredth of a second on every Linux (`USER_HZ`).
const TICKS: f64 = 100.0;

fn used(pid: u32) -> Outcome<Used> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // The name of the program, in parentheses, may hold anything.
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    match (number(1), number(11), number(12), number(13), number(14)) {
        (Some(parent), Some(user), Some(system), Some(reaped_user), Some(reaped_system)) => {
            let seconds = |a: u32, b: u32| (f64::from(a) + f64::from(b)) / TICKS;
            let reaped = seconds(reaped_user, reaped_system);
            Ok(Used { parent, own: seconds(user, system), reaped })
        }
        _ => Err(format!("{path} has another form than expected")),
    }
}

/// Seconds of processor time of a process and all of its threads.
pub fn cpu(pid: u32) -> Outcome<f64> {
    used(pid).map(|used| used.own)
}

/// The same of a process, its children, and its children that ended.
pub fn cpu_of_family(pid: u32) -> Outcome<f64> {
    let parent = used(pid)?;
    let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process that ended meanwhile is in its parent's next reading.
    let children = pids.filter_map(|child| used(child).ok()).filter(|child| child.parent == pid);
    Ok(parent.own + parent.reaped + children.map(|child| child.own).sum::<f64>())
}

/// Resident memory of a process in megabytes (10^6 bytes).
pub fn memory(pid: u32) -> Outcome<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    kibibytes.map(|k| f64::from(k) * 1024.0 / 1e6).ok_or_else(|| format!("{path} has no VmRSS"))
}

/// What was measured on.
pub fn in_words() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |text| text.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} × {model}, Linux {}", kernel.trim())
}
