//! Against a real livekit-server, with the Python SDK (libwebrtc) as the other participant.
//!
//! Run with `cargo xtask test`, which starts the server and sets `STELLA_TEST_*`.

mod audio;
mod errors;
mod peers;
mod recovery;
mod sink;
mod support;
mod text;
