//! How long joining a room takes.

use std::time::Instant;

use anyhow::Result;
use stella_benches::{
    figures::{Figure, median},
    rooms::{Rooms, leave},
};

/// Joins, one after the other, each into a room of its own.
const JOINS: usize = 15;

/// From the call until media can flow both ways.
pub(crate) async fn measure(rooms: &Rooms) -> Result<Vec<Figure>> {
    // The first join also pays for what is set up once per process.
    let (session, _events) = rooms.join(&rooms.new_name(), "first").await?;
    leave(&session).await;
    let mut times = Vec::with_capacity(JOINS);
    for _ in 0..JOINS {
        let room = rooms.new_name();
        let start = Instant::now();
        let (session, _events) = rooms.join(&room, "joiner").await?;
        times.push(start.elapsed().as_secs_f64() * 1_000.0);
        leave(&session).await;
    }
    let worst = times.iter().copied().fold(0.0, f64::max);
    Ok(vec![
        Figure::new("connect until media flows", median(times), "ms", JOINS)
            .beside("livekit-agents 1.8.9, dispatch until in the room", 380.0),
        Figure::new("connect until media flows, slowest", worst, "ms", JOINS)
            .beside("livekit-agents 1.8.9, dispatch until in the room, p95", 420.0),
    ])
}
