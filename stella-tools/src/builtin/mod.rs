//! Tools that many agents want, behind one feature each.

#[cfg(feature = "clock")]
mod clock;

#[cfg(feature = "clock")]
pub use self::clock::clock;
