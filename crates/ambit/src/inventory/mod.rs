//! Looking at what systems offer, and saying what changed.
