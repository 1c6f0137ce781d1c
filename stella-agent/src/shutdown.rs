//! Being asked to stop.

/// Returns when the process is asked to stop: Ctrl-C, or SIGTERM where there is one. From the first call on, these no
/// longer end the process by themselves; call it again to be told of the next one.
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
