//! How rows are shared out among threads.
//!
//! Each output is written by one task in one order, and sums over rows are folded in the order of the rows, so that
//! results do not depend on the number of threads.

/// Multiplications worth handing to another thread.
const GRAIN: usize = 1 << 16;

/// How many tasks of `work` multiplications each stay together on one thread.
pub(super) fn tasks_per_thread(work: usize) -> usize {
    (GRAIN / work.max(1)).max(1)
}
