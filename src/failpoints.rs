//! Named points at which a crash test kills the process. Only with the feature `failpoints`.

/// Kills the process when the point named in `KIGEN_KILL_AT` is reached.
///
/// `KIGEN_KILL_AT=batch.before-commit` kills at the first time, `batch.before-commit:7` at the
/// seventh. An abort: nothing is flushed, nothing is dropped, as with `kill -9`.
pub fn arm() {
    let Some(place) = crate::config::environment("KIGEN_KILL_AT") else {
        return;
    };
    let (name, times) = place.rsplit_once(':').unwrap_or((&place, "1"));
    let times: u64 = times.parse().unwrap_or(1);
    let seen = std::sync::atomic::AtomicU64::new(0);
    let armed = fail::cfg_callback(name, move || {
        if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == times {
            std::process::abort();
        }
    });
    if let Err(error) = armed {
        tracing::error!(%error, "arm the failpoint");
    }
}
