//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Far longer than it ever takes: when this is over
/// something is broken and not slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

const STEP: Duration = Duration::from_millis(5);

/// Waits until `look` finds something.
///
/// # Panics
/// After [`PATIENCE`], naming what was waited for.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    attempt(what, look).await.unwrap_or_else(|why| panic!("{why}"))
}

/// The same; after [`PATIENCE`] an error that names what was waited for.
pub async fn attempt<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if begin.elapsed() >= PATIENCE {
            return Err(format!("waited {PATIENCE:?} in vain for {what}"));
        }
        tokio::time::sleep(STEP).await;
    }
}
