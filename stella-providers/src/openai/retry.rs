//! When a failed attempt is repeated.

use std::time::Duration;

use rand::Rng;
use stella_core::error::ProviderError;

/// When a request that failed before it gave anything is sent again. Only what
/// [`ProviderError::retryable`] allows is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Most repetitions after the first attempt. Default 2; 0 switches them off.
    pub max: u32,
    /// Pause before the first repetition, doubled for each further one; a random part of up to a half is taken off, so
    /// that many sessions do not come back at once. Default 200 ms.
    pub base: Duration,
    /// Longest pause. A server that asks for a longer one is not asked again: its error is returned, with the pause in
    /// it, so that another provider can step in. Default 2 s.
    pub longest: Duration,
    /// Time since the request after which nothing is repeated. Default 15 s.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max: 2,
            base: Duration::from_millis(200),
            longest: Duration::from_secs(2),
            give_up_after: Duration::from_secs(15),
        }
    }
}

impl RetryPolicy {
    /// The pause before repetition number `repetition` (from 0), `elapsed` after the request; `None` to give up.
    pub(super) fn pause(&self, repetition: u32, elapsed: Duration, error: &ProviderError) -> Option<Duration> {
        if repetition >= self.max || !error.retryable() {
            return None;
        }
        let pause = match error {
            ProviderError::Overloaded { retry_after: Some(asked), .. } if *asked > self.longest => return None,
            ProviderError::Overloaded { retry_after: Some(asked), .. } => *asked,
            _ => {
                let full = self.base.saturating_mul(1 << repetition.min(16)).min(self.longest);
                full.mul_f64(rand::rng().random_range(0.5..=1.0))
            }
        };
        (elapsed + pause < self.give_up_after).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overloaded(retry_after: Option<u64>) -> ProviderError {
        ProviderError::Overloaded { provider: "test", retry_after: retry_after.map(Duration::from_millis) }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = RetryPolicy { max: 9, ..RetryPolicy::default() };
        for (repetition, full) in [200, 400, 800, 1_600, 2_000, 2_000].into_iter().enumerate() {
            let pause = policy.pause(repetition as u32, Duration::ZERO, &overloaded(None)).unwrap();
            let full = Duration::from_millis(full);
            assert!(full / 2 <= pause && pause <= full, "repetition {repetition}: {pause:?}");
        }
    }

    #[test]
    fn the_servers_own_pause_is_kept_or_nothing_is_repeated() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.pause(0, Duration::ZERO, &overloaded(Some(1_500))), Some(Duration::from_millis(1_500)));
        assert_eq!(policy.pause(0, Duration::ZERO, &overloaded(Some(60_000))), None);
    }

    #[test]
    fn it_gives_up() {
        let policy = RetryPolicy::default();
        let refused = ProviderError::InvalidRequest { provider: "test", reason: "no".into() };
        assert_eq!(policy.pause(0, Duration::ZERO, &refused), None);
        assert_eq!(policy.pause(2, Duration::ZERO, &overloaded(None)), None);
        assert_eq!(policy.pause(0, Duration::from_secs(15), &overloaded(None)), None);
    }
}
