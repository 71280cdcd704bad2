//! Exit codes: a documented, public part of the tool.

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All is well.
    Ok = 0,
    /// A bug in zen itself.
    Internal = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// No step or pipeline was selected.
    NothingSelected = 4,
    /// `status --exit-code`: something would run.
    Stale = 5,
    /// The definitions are invalid.
    Definitions = 96,
    /// A step failed.
    StepFailed = 100,
    /// `cargo metadata` failed.
    Metadata = 102,
    /// The store cannot be used, or a lock is held by somebody else.
    Store = 103,
    /// What was asked for could not be written.
    Output = 110,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
