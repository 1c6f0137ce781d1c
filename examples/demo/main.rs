//! The spoken demo.
fn main() {}
