//! Whole conversations with scripted providers over a transport in memory, in virtual time.

mod fakes;
mod rig;

mod agents;
mod failures;
mod talking;
