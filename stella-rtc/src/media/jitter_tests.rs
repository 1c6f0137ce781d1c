//! Virtual-time tests: a scripted network, a buffer, and what comes out.

use super::*;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

const MS: Duration = Duration::from_millis(1);

/// A 20 ms Opus packet whose last bytes say which frame it is.
fn payload(number: u32) -> Arc<[u8]> {
    let mut bytes = vec![0x48]; // SILK, 20 ms, one frame
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.into()
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[1..5].try_into().expect("a test packet"))
}

fn frame(number: u32, red: bool) -> Packet {
    let redundant = if red && number > 0 { vec![(FRAME, payload(number - 1))] } else { vec![] };
    Packet {
        sequence: 1_000 + u64::from(number),
        timestamp: 5_000 + u64::from(number) * u64::from(FRAME),
        payload: payload(number),
        redundant,
    }
}

/// Delivers packets at the given milliseconds and returns what came out, with when.
fn run(mut arrivals: Vec<(u64, Packet)>, until: u64) -> (Vec<(u64, String)>, JitterStats) {
    arrivals.sort_by_key(|(at, _)| *at);
    let start = Instant::now();
    let (mut buffer, mut out, mut arrivals) = (JitterBuffer::new(start), Vec::new(), arrivals.into_iter().peekable());
    let end = start + MS * until as u32;
    let mut now = start;
    loop {
        while let Some(item) = buffer.poll(now) {
            let text = match item {
                Item::Frame { payload, redundant: false, .. } if packet::is_silence(&payload) => "dtx".to_owned(),
                Item::Frame { payload, redundant: false, .. } => number(&payload).to_string(),
                Item::Frame { payload, .. } => format!("red {}", number(&payload)),
                Item::Lost { next: Some(next), .. } => format!("fec from {}", number(&next)),
                Item::Lost { next: None, .. } => "lost".into(),
                Item::Silence { units, .. } => format!("silence {}", units / 48),
            };
            out.push(((now - start).as_millis() as u64, text));
        }
        let arrival = arrivals.peek().map(|(at, _)| start + MS * *at as u32);
        let Some(step) = [arrival, buffer.deadline()].into_iter().flatten().min() else { break };
        assert!(step >= now || arrival.is_some_and(|a| a <= now), "a deadline in the past would spin");
        now = step.max(now);
        if now > end {
            break;
        }
        while arrivals.peek().is_some_and(|(at, _)| start + MS * *at as u32 <= now) {
            if let Some((_, packet)) = arrivals.next() {
                buffer.push(now, packet);
            }
        }
    }
    (out, buffer.stats())
}

fn texts(out: &[(u64, String)]) -> Vec<&str> {
    out.iter().map(|(_, text)| text.as_str()).collect()
}

#[test]
fn packets_in_order_are_given_at_once() {
    let (out, stats) = run((0..4).map(|n| (u64::from(n) * 20, frame(n, false))).collect(), 70);
    assert_eq!(out, [(0, "0".into()), (20, "1".into()), (40, "2".into()), (60, "3".into())]);
    assert_eq!(stats, JitterStats { packets: 4, ..JitterStats::default() });
}

#[test]
fn a_reordered_packet_is_waited_for() {
    let (out, stats) =
        run(vec![(0, frame(0, false)), (20, frame(2, false)), (35, frame(1, false)), (40, frame(3, false))], 50);
    assert_eq!(out, [(0, "0".into()), (35, "1".into()), (35, "2".into()), (40, "3".into())]);
    assert_eq!(stats.lost, 0);
}

#[test]
fn a_lost_packet_is_concealed_after_the_target() {
    let (out, stats) = run([0, 1, 3, 4, 5, 6].map(|n| (u64::from(n) * 20, frame(n, false))).into(), 125);
    assert_eq!(texts(&out), ["0", "1", "fec from 3", "3", "4", "5", "6"]);
    assert_eq!(out[2].0, 100, "40 ms after packet 3 came");
    assert_eq!((stats.lost, stats.concealed), (1, 0));
}

#[test]
fn redundancy_repairs_a_loss_without_waiting() {
    let (out, stats) = run([0, 1, 3, 4].map(|n| (u64::from(n) * 20, frame(n, true))).into(), 90);
    assert_eq!(texts(&out), ["0", "1", "red 2", "3", "4"]);
    assert_eq!(out[2].0, 60);
    assert_eq!((stats.lost, stats.recovered, stats.discarded), (1, 1, 0));
}

#[test]
fn a_packet_that_comes_after_its_redundant_copy_is_not_given_twice() {
    let (out, stats) =
        run(vec![(0, frame(0, true)), (20, frame(2, true)), (25, frame(1, true)), (40, frame(3, true))], 50);
    assert_eq!(texts(&out), ["0", "red 1", "2", "3"]);
    assert_eq!(stats.discarded, 1);
}

#[test]
fn a_long_hole_is_concealed_only_in_part_but_filled_as_a_whole() {
    let (out, stats) = run(vec![(0, frame(0, false)), (20, frame(11, false)), (40, frame(12, false))], 65);
    let expected = [&["0"][..], &["lost"; 6], &["silence 20"; 3], &["fec from 11", "11", "12"]].concat();
    assert_eq!(texts(&out), expected);
    assert_eq!((stats.lost, stats.concealed), (10, 9));
    let (out, _) = run(vec![(0, frame(0, false)), (600, frame(30, false))], 645);
    assert!((31..=32).contains(&out.len()), "silence given meanwhile counts: {out:?}");
}

#[test]
fn silence_of_the_sender_is_filled_at_the_pace_of_the_clock() {
    let dtx = Packet { payload: vec![0x48].into(), ..frame(1, false) };
    let mut after = frame(20, false);
    after.sequence = 1_002; // nothing was sent between
    let (out, stats) = run(vec![(0, frame(0, false)), (20, dtx), (400, after)], 405);
    let total: u64 = out.iter().map(|(_, t)| t.strip_prefix("silence ").map_or(0, |ms| ms.parse().expect("ms"))).sum();
    assert_eq!(total, 18 * 20, "{out:?}");
    assert_eq!(stats.lost, 0);
    let silent_by_200 = out.iter().filter(|(at, t)| *at <= 200 && t.starts_with("silence")).count();
    assert!((6..=9).contains(&silent_by_200), "{silent_by_200} frames of silence after 160 ms of it");
}

#[test]
fn announced_silence_is_filled_sooner() {
    let dtx = Packet { payload: vec![0x48].into(), ..frame(1, false) };
    let (out, _) = run(vec![(0, frame(0, false)), (20, dtx)], 65);
    assert_eq!(out, [(0, "0".into()), (20, "dtx".into()), (60, "silence 20".into())]);
}

#[test]
fn a_burst_after_a_stall_loses_nothing() {
    let late = (2..20).map(|n| (300 + u64::from(n), frame(n, false)));
    let (out, _) = run([(0, frame(0, false)), (20, frame(1, false))].into_iter().chain(late).collect(), 330);
    let heard: Vec<_> = texts(&out).into_iter().filter_map(|t| t.parse::<u32>().ok()).collect();
    assert_eq!(heard, (0..20).collect::<Vec<_>>());
    assert_eq!(out.len(), 20, "and nothing is put into it: {out:?}");
}

#[test]
fn unannounced_silence_is_filled_after_a_third_of_a_second() {
    let (out, _) = run(vec![(0, frame(0, false))], 400);
    assert_eq!(out[1], (320, "silence 20".into()));
    let silent = out.iter().filter(|(_, text)| text.starts_with("silence")).count();
    assert!((17..=19).contains(&silent), "{silent} frames for 380 ms");
}

#[test]
fn silence_ends_when_the_sender_stays_away() {
    let (out, _) = run(vec![(0, frame(0, false))], 60_000);
    assert_eq!(out.len(), 1 + 500, "10 s of silence");
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let again = |n: u32| Packet { timestamp: u64::from(n) * 960, ..frame(10_000 + n, false) };
    let first =
        (0..3).map(|n| (u64::from(n) * 20, Packet { timestamp: 1_000_000 + u64::from(n) * 960, ..frame(n, false) }));
    let (out, _) = run(first.chain((0..3).map(|n| (60 + u64::from(n) * 20, again(n)))).collect(), 110);
    assert_eq!(texts(&out), ["0", "1", "2", "10000", "10001", "10002"]);
}

#[test]
fn a_flood_of_distant_packets_stays_bounded() {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(start);
    for n in 0..10_000 {
        buffer.push(start, frame(n * 2, false));
        while buffer.poll(start).is_some() {}
        assert!(buffer.frames.len() <= MAX_FRAMES + 1);
    }
}

/// Loss, reordering and duplication, seeded.
fn network(seed: u64, frames: u32, loss: f64, jitter: u64, duplicates: f64, red: bool) -> Vec<(u64, Packet)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut arrivals = Vec::new();
    for n in 0..frames {
        let copies = if n > 0 && rng.random_bool(loss) { 0 } else { 1 + u32::from(rng.random_bool(duplicates)) };
        for _ in 0..copies {
            arrivals.push((100 + u64::from(n) * 20 + rng.random_range(0..=jitter), frame(n, red)));
        }
    }
    arrivals
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_holds_and_time_is_complete(
        seed: u64, loss in 0.0..0.3f64, jitter in 0u64..60, duplicates in 0.0..0.1f64, red: bool
    ) {
        let frames = 300;
        let (out, _) = run(network(seed, frames, loss, jitter, duplicates, red), 100 + u64::from(frames) * 20 + 500);
        let heard: Vec<u32> = texts(&out).iter()
            .filter_map(|t| t.strip_prefix("red ").unwrap_or(t).parse().ok()).collect();
        prop_assert!(heard.windows(2).all(|w| w[0] < w[1]), "each frame once, in order");
        // No stretch of time is missing: between two frames that were heard stand as many substitutes as frames.
        let last = texts(&out).iter().rposition(|t| t.strip_prefix("red ").unwrap_or(t).parse::<u32>().is_ok());
        let given = last.map_or(0, |last| last + 1);
        prop_assert!(given as u32 > heard[heard.len() - 1] - heard[0]);
    }

    #[test]
    fn redundancy_repairs_isolated_losses(seed: u64) {
        let kept = |n: u32| n % 3 != 1 || !StdRng::seed_from_u64(seed ^ u64::from(n)).random_bool(0.5);
        let arrivals = (0..200).filter(|&n| kept(n)).map(|n| (u64::from(n) * 20, frame(n, true))).collect();
        let (out, stats) = run(arrivals, 4_010);
        prop_assert_eq!(out.iter().filter(|(_, t)| t == "lost" || t.starts_with("fec")).count(), 0);
        prop_assert_eq!(stats.recovered, (0..199).filter(|&n| !kept(n)).count() as u64);
    }

    #[test]
    fn arbitrary_packets_never_panic(
        packets in proptest::collection::vec(
            (0u64..100, 0u64..70_000, 0u64..200_000, proptest::collection::vec(any::<u8>(), 0..8), 0u32..20_000), 0..200)
    ) {
        let arrivals = packets.into_iter().map(|(at, sequence, timestamp, bytes, offset)| {
            let payload: Arc<[u8]> = bytes.into();
            (at, Packet { sequence, timestamp, redundant: vec![(offset, payload.clone())], payload })
        });
        let start = Instant::now();
        let mut buffer = JitterBuffer::new(start);
        for (at, packet) in arrivals {
            let now = start + MS * at as u32;
            buffer.push(now, packet);
            for _ in 0..2_000 {
                if buffer.poll(now).is_none() { break }
            }
            prop_assert!(buffer.poll(now).is_none(), "polling must come to an end");
            prop_assert!(buffer.frames.len() <= 2 * MAX_FRAMES);
        }
    }
}
