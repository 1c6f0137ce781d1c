//! The few facts that are read out of session descriptions as text.
//!
//! str0m keeps the first track of a reused media section, so which track a section carries must come from the newest
//! description itself.

use crate::media::sender::PayloadTypes;
use std::collections::HashMap;

/// Longest description that is looked at, in bytes.
pub(crate) const MAX_LEN: usize = 1 << 20;

/// Which track each media section carries, by its `mid`.
pub(crate) fn tracks_by_mid(sdp: &str) -> HashMap<String, String> {
    let (mut tracks, mut mid) = (HashMap::new(), None);
    for line in lines(sdp) {
        if line.starts_with("m=") {
            mid = None;
        } else if let Some(name) = line.strip_prefix("a=mid:") {
            mid = Some(name.trim());
        } else if let (Some(mid), Some(msid)) = (mid, line.strip_prefix("a=msid:"))
            && let Some(track) = msid.split_whitespace().nth(1)
        {
            tracks.insert(mid.to_owned(), track.to_owned());
        }
    }
    tracks
}

/// The payload types an answer accepts for the section `mid`; `None` if it was refused.
pub(crate) fn payload_types(sdp: &str, mid: &str) -> Option<PayloadTypes> {
    let mut section: Vec<&str> = Vec::new();
    for line in lines(sdp).chain(["m="]) {
        if line.starts_with("m=") {
            if section.iter().any(|l| l.strip_prefix("a=mid:").is_some_and(|name| name.trim() == mid)) {
                break;
            }
            section.clear();
        }
        section.push(line);
    }
    let head: Vec<_> = section.first()?.split_whitespace().collect();
    if !section.iter().any(|l| l.strip_prefix("a=mid:").is_some_and(|name| name.trim() == mid))
        || head.get(1) == Some(&"0")
    {
        return None;
    }
    let of_codec = |codec: &str| {
        section.iter().find_map(|line| {
            let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            name.to_ascii_lowercase().starts_with(codec).then(|| number.parse::<u8>().ok()).flatten()
        })
    };
    let listed = |payload_type: &u8| head.iter().skip(3).any(|number| number.parse() == Ok(*payload_type));
    let opus = of_codec("opus/").filter(listed)?;
    Some(PayloadTypes { opus, red: of_codec("red/").filter(listed) })
}

/// The ICE user name fragment, which names an ICE generation.
pub(crate) fn ice_ufrag(sdp: &str) -> Option<&str> {
    lines(sdp).find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}

fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = "v=0\r\na=ice-ufrag:abcd\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=mid:1\r\na=msid:PA_x|TR_y TR_y\r\na=rtpmap:63 red/48000/2\r\n\
        a=rtpmap:111 opus/48000/2\r\nm=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=rtpmap:111 opus/48000/2\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:3\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\n";

    #[test]
    fn facts_are_found_in_their_section() {
        assert_eq!(tracks_by_mid(ANSWER), HashMap::from([("1".into(), "TR_y".into())]));
        assert_eq!(payload_types(ANSWER, "1"), Some(PayloadTypes { opus: 111, red: Some(63) }));
        assert_eq!(payload_types(ANSWER, "2"), None, "refused");
        assert_eq!(payload_types(ANSWER, "3"), Some(PayloadTypes { opus: 111, red: None }), "red is not listed");
        assert_eq!(payload_types(ANSWER, "0"), None);
        assert_eq!(payload_types(ANSWER, "9"), None);
        assert_eq!(ice_ufrag(ANSWER), Some("abcd"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(sdp in "(m=|a=mid:|a=msid:|a=rtpmap:|audio|[0-9 \r\n]|opus/){0,60}", mid in "[0-9]?") {
            tracks_by_mid(&sdp);
            payload_types(&sdp, &mid);
            ice_ufrag(&sdp);
        }
    }
}
