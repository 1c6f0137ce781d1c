//! Loudness of a frame, as the audio-level header extension wants it (RFC 6464).

/// Loudness in dB below full scale: 0 is loudest, -127 is digital silence.
pub(crate) fn dbov(samples: &[i16]) -> i8 {
    if samples.is_empty() {
        return -127;
    }
    let square = |&s: &i16| f64::from(s) * f64::from(s);
    let power = samples.iter().map(square).sum::<f64>() / samples.len() as f64 / (32_768.0 * 32_768.0);
    (10.0 * power.max(1e-13).log10()).round().clamp(-127.0, 0.0) as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_levels() {
        assert_eq!(dbov(&[]), -127);
        assert_eq!(dbov(&[0; 480]), -127);
        assert_eq!(dbov(&[i16::MIN; 480]), 0);
        assert_eq!(dbov(&[16_384; 480]), -6);
    }
}
