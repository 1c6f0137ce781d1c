//! When to try again.

use crate::options::ReconnectOptions;
use std::time::Duration;

/// Delays between attempts to come back.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    options: ReconnectOptions,
    attempts: u32,
}

impl Backoff {
    /// No attempt made so far.
    pub(crate) fn new(options: &ReconnectOptions) -> Self {
        Self { options: options.clone(), attempts: 0 }
    }

    /// How long to wait before the next attempt; `None` if there is none left. The first follows at once. `jitter`
    /// (0-1) spreads the others over the upper half of their delay, so that sessions do not return in step.
    pub(crate) fn next(&mut self, jitter: f64) -> Option<Duration> {
        if self.attempts >= self.options.attempts {
            return None;
        }
        self.attempts += 1;
        if self.attempts == 1 {
            return Some(Duration::ZERO);
        }
        let doubled = 2u32.saturating_pow(self.attempts - 2);
        let delay = self.options.first_delay.saturating_mul(doubled).min(self.options.max_delay);
        Some(delay.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap() {
        let mut backoff = Backoff::new(&ReconnectOptions::default());
        let delays: Vec<_> = std::iter::from_fn(|| backoff.next(1.0)).map(|d| d.as_millis()).collect();
        assert_eq!(delays, [0, 300, 600, 1_200, 2_400, 4_800, 7_000, 7_000, 7_000, 7_000]);
        let mut never = Backoff::new(&ReconnectOptions { attempts: 0, ..ReconnectOptions::default() });
        assert_eq!(never.next(1.0), None);
    }

    #[test]
    fn jitter_never_shortens_below_half() {
        let mut backoff = Backoff::new(&ReconnectOptions::default());
        backoff.next(0.0);
        assert_eq!(backoff.next(0.0), Some(Duration::from_millis(150)));
    }
}
