//! What is on disk: one parallel walk for all path sets together, a stat cache, digests. Knows no steps and no keys.

use std::fs::Metadata;
use std::path::Path;

use crate::digest::Digest;

/// Digests of files, remembered by their stat where that is safe.
pub trait Digests: Sync {
    /// The BLAKE3 of the regular file at `path`, whose metadata (not followed) is `metadata`.
    ///
    /// # Errors
    /// What reading met.
    fn digest(&self, path: &Path, metadata: &Metadata) -> std::io::Result<Digest>;
}
