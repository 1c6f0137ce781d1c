//! Being asked to stop.

use std::time::Duration;

/// Returns when the process is asked to stop: Ctrl-C, or SIGTERM where there is one. From the first call on, these no
/// longer end the process by themselves; [`shutdown_insisted`] tells of the next one.
pub async fn shutdown_requested() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Signals cannot be watched here: nobody will ask.
        std::future::pending::<()>().await;
    }
}

/// Within this time a further request is the same one: `timeout`, shells and some supervisors signal both a process and
/// its group.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Returns when the process is asked to stop once more, after [`shutdown_requested`] has returned: at least half a second
/// later. Programs then stop at once.
pub async fn shutdown_insisted() {
    tokio::time::sleep(SAME_REQUEST).await;
    shutdown_requested().await;
}

#[cfg(all(test, unix))]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;

    fn terminate() {
        let status = Command::new("kill").args(["-s", "TERM", &std::process::id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    #[tokio::test]
    async fn a_request_that_comes_twice_at_once_is_one() {
        let mut requested = Box::pin(shutdown_requested());
        // Watch for signals before the first one is sent: it would end the process.
        assert!(futures_util::poll!(&mut requested).is_pending());
        terminate();
        requested.await;
        let began = Instant::now();
        let insisted = tokio::spawn(shutdown_insisted());
        while !insisted.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody is told");
            terminate();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(began.elapsed() >= SAME_REQUEST);
    }
}
