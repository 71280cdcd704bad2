//! What good tables mean.
