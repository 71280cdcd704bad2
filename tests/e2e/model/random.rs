//! Random numbers that are the same for the same seed, and a random step. Knows no workspace.

/// The same numbers for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`; splitmix64.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).expect("it is below a usize")
    }

    pub fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// How many folders of files there are.
pub const FOLDERS: usize = 3;

/// What a step reads, which no deed changes.
#[derive(Debug, Clone)]
pub struct Step {
    /// Folders of which it reads the text files.
    pub folders: Vec<usize>,
    /// Earlier steps of which it reads the output.
    pub inputs: Vec<usize>,
    pub reads_set: bool,
    pub reads_config: bool,
    pub reads_env: bool,
    /// It writes the least line alone, so that many edits do not show in what it writes.
    pub cuts_off: bool,
}

impl Step {
    /// A step that comes after `at` others.
    pub fn any(at: usize, random: &mut Random) -> Self {
        let folders: Vec<usize> = (0..FOLDERS).filter(|_| random.below(3) == 0).collect();
        let inputs: Vec<usize> = (0..at).filter(|_| random.flip()).collect();
        // One that nothing could ever change is warned of; that is another test's.
        let folders = if folders.is_empty() && inputs.is_empty() { vec![at % FOLDERS] } else { folders };
        Self {
            folders,
            inputs,
            reads_set: random.flip(),
            reads_config: random.below(3) == 0,
            reads_env: random.below(3) == 0,
            cuts_off: random.below(3) == 0,
        }
    }
}
