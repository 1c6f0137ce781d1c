//! Server-sent events, as far as chat completions use them: `data`, and llama.cpp's `error`.
//!
//! Sans-IO and bounded. The parser crates at hand either bound nothing (`sse-stream`, `eventsource-stream`), so that
//! one endless line fills the memory, or come with a client of their own.

use std::{collections::VecDeque, mem};

/// What a server sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The data of an event.
    Data(String),
    /// The value of an `error` field, which some servers send in place of data.
    Error(String),
}

/// Why bytes cannot be events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    /// A line, or the lines of an event together, are too long.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
    /// Not UTF-8.
    #[error("an event is not UTF-8")]
    Encoding,
}

/// Bytes in, cut anywhere; events out.
#[derive(Debug)]
pub(super) struct Parser {
    /// Most bytes of a line, and of the data of an event.
    max: usize,
    /// The line so far.
    line: Vec<u8>,
    /// The data of the event so far.
    data: Option<Vec<u8>>,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
    /// Nothing but a byte order mark can have come yet.
    at_start: bool,
    events: VecDeque<Event>,
}

impl Parser {
    pub(super) fn new(max: usize) -> Self {
        Self { max, line: Vec::new(), data: None, after_cr: false, at_start: true, events: VecDeque::new() }
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), SseError> {
        if mem::take(&mut self.after_cr) && bytes.first() == Some(&b'\n') {
            bytes = &bytes[1..];
        } else if bytes.is_empty() {
            return Ok(());
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.extend(&bytes[..end])?;
            self.end_line()?;
            let lf_after_cr = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
            self.after_cr = bytes[end] == b'\r' && end + 1 == bytes.len();
            bytes = &bytes[end + 1 + usize::from(lf_after_cr)..];
        }
        self.extend(bytes)
    }

    /// The body has ended: what is left counts as an event even without its blank line.
    pub(super) fn finish(&mut self) -> Result<(), SseError> {
        self.end_line()?;
        self.dispatch()
    }

    /// The next event.
    pub(super) fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() > self.max {
            return Err(SseError::TooLong(self.max));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), SseError> {
        let line = mem::take(&mut self.line);
        let mut rest = line.as_slice();
        if mem::take(&mut self.at_start) {
            rest = rest.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(rest);
        }
        if rest.is_empty() {
            return self.dispatch();
        }
        let (field, value) = match rest.iter().position(|&byte| byte == b':') {
            Some(colon) => (&rest[..colon], &rest[colon + 1..]),
            None => (rest, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.append_data(value),
            b"error" => {
                self.events.push_back(Event::Error(text(value.to_vec())?));
                Ok(())
            }
            _ => Ok(()), // comments, and fields that mean nothing here
        }
    }

    fn append_data(&mut self, value: &[u8]) -> Result<(), SseError> {
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) if data.len() + 1 + value.len() > self.max => return Err(SseError::TooLong(self.max)),
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Result<(), SseError> {
        if let Some(data) = self.data.take() {
            self.events.push_back(Event::Data(text(data)?));
        }
        Ok(())
    }
}

fn text(bytes: Vec<u8>) -> Result<String, SseError> {
    String::from_utf8(bytes).map_err(|_| SseError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Result<Vec<Event>, SseError> {
        let mut parser = Parser::new(max);
        let mut events = Vec::new();
        for piece in pieces {
            parser.push(piece)?;
            events.extend(std::iter::from_fn(|| parser.poll()));
        }
        parser.finish()?;
        events.extend(std::iter::from_fn(|| parser.poll()));
        Ok(events)
    }

    fn check(input: &str, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().map(|data| Event::Data((*data).to_owned())).collect();
        assert_eq!(parse([input.as_bytes()], 1_000).unwrap(), expected, "{input:?}");
    }

    #[test]
    fn events_are_told_apart() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("data:a\ndata: b\n\n", &["a\nb"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check(": ping\n\nevent: x\nid: 1\ndata: a\n\n\n\n", &["a"]);
        check("data:  two spaces\n\n", &[" two spaces"]);
        check("data\n\n", &[""]);
        check("data: no end", &["no end"]);
        check("", &[]);
    }

    #[test]
    fn an_error_field_is_an_event() {
        assert_eq!(parse([&b"error: {\"code\":500}\n\n"[..]], 100).unwrap(), [Event::Error("{\"code\":500}".into())]);
    }

    #[test]
    fn memory_is_bounded() {
        let endless = [b'x'; 101];
        assert_eq!(parse([&endless[..]], 100), Err(SseError::TooLong(100)));
        let many_lines = "data: 123456789\n".repeat(11);
        assert_eq!(parse([many_lines.as_bytes()], 100), Err(SseError::TooLong(100)));
        assert_eq!(parse([&b"data: \xff\n\n"[..]], 100), Err(SseError::Encoding));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            texts in prop::collection::vec("[a-zé…😀 :]{0,12}", 0..6),
            ending in prop::sample::select(vec!["\n", "\r\n", "\r"]),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let wire: String = texts.iter().map(|text| format!(": note{ending}data: {text}{ending}{ending}")).collect();
            let bytes = wire.as_bytes();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            let expected: Vec<_> = texts.into_iter().map(Event::Data).collect();
            prop_assert_eq!(parse(pieces, 1_000).unwrap(), expected);
        }

        #[test]
        fn no_bytes_break_it(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10)) {
            let _ = parse(pieces.iter().map(Vec::as_slice), 64);
        }
    }
}
