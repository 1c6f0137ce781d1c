//! Remote ICE candidates: their JSON form, and holding back those that come before their description.

use std::collections::VecDeque;
use str0m::Candidate;

/// Candidates held back at most; beyond it the oldest are forgotten.
const MAX_HELD: usize = 64;

/// Reads a trickled candidate. `None` for the end-of-candidates mark and for what cannot be read.
pub(crate) fn parse(json: &str) -> Option<Candidate> {
    #[derive(serde::Deserialize)]
    struct Init {
        #[serde(default)]
        candidate: String,
    }
    let init: Init = serde_json::from_str(json).ok()?;
    if init.candidate.is_empty() {
        return None;
    }
    Candidate::from_sdp_string(&init.candidate).ok()
}

/// Lets candidates through once the description of their generation is set.
#[derive(Debug, Default)]
pub(crate) struct CandidateGate {
    generation: Option<String>,
    held: VecDeque<Candidate>,
}

impl CandidateGate {
    /// A candidate arrived: `Some` if it can be used now.
    pub(crate) fn admit(&mut self, candidate: Candidate) -> Option<Candidate> {
        if self.is_current(&candidate) {
            return Some(candidate);
        }
        if self.held.len() == MAX_HELD {
            self.held.pop_front();
        }
        self.held.push_back(candidate);
        None
    }

    /// A remote description was set: the candidates that can be used now.
    pub(crate) fn open(&mut self, generation: Option<&str>) -> Vec<Candidate> {
        self.generation = Some(generation.unwrap_or_default().to_owned());
        let (usable, held): (VecDeque<_>, _) =
            std::mem::take(&mut self.held).into_iter().partition(|c| self.is_current(c));
        self.held = held;
        usable.into()
    }

    fn is_current(&self, candidate: &Candidate) -> bool {
        let Some(generation) = &self.generation else { return false };
        candidate.ufrag().is_none_or(|ufrag| ufrag.is_empty() || ufrag == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(ufrag: &str) -> Candidate {
        parse(&format!(
            r#"{{"candidate":"candidate:1 1 udp 2130706431 127.0.0.1 7000 typ host ufrag {ufrag}","sdpMid":"0"}}"#
        ))
        .expect("valid")
    }

    #[test]
    fn a_candidate_waits_for_its_description() {
        let mut gate = CandidateGate::default();
        assert!(gate.admit(candidate("one")).is_none());
        assert_eq!(gate.open(Some("one")).len(), 1);
        assert!(gate.admit(candidate("one")).is_some());
        assert!(gate.admit(candidate("two")).is_none(), "belongs to a restart whose offer is still under way");
        assert_eq!(gate.open(Some("two")).len(), 1);
    }

    #[test]
    fn held_candidates_are_bounded() {
        let mut gate = CandidateGate::default();
        for _ in 0..1_000 {
            gate.admit(candidate("one"));
        }
        assert_eq!(gate.open(Some("one")).len(), MAX_HELD);
    }

    #[test]
    fn what_cannot_be_read_is_ignored() {
        for json in ["", "{}", "[]", r#"{"candidate":""}"#, r#"{"candidate":"nonsense"}"#, r#"{"candidate":7}"#] {
            assert!(parse(json).is_none(), "{json}");
        }
        let tcp = r#"{"candidate":"candidate:1 1 tcp 1671430143 ::1 7881 typ host tcptype passive"}"#;
        assert!(parse(tcp).is_some_and(|c| c.addr().is_ipv6()));
    }
}
