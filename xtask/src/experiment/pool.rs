//! Independent jobs side by side, each in a thread pool of its own.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};

/// The order in which to begin jobs: those that would wait for the work of an earlier one come after all others.
pub(crate) fn order<W: Ord>(works: &[Option<W>]) -> Vec<usize> {
    let mut begun = BTreeSet::new();
    let (mut first, second): (Vec<usize>, Vec<usize>) =
        (0..works.len()).partition(|at| works[*at].as_ref().is_none_or(|work| begun.insert(work)));
    first.extend(second);
    first
}

/// Runs `work` on every job, `side_by_side` at a time; the results are in the order of the jobs.
///
/// Every worker has its share of the threads, so that two single-threaded runs do not wait for each other.
/// After an error or a stop no further job is started.
pub(crate) fn run<J: Sync, O: Send>(
    jobs: &[J],
    side_by_side: usize,
    stop: &AtomicBool,
    work: impl Fn(&J) -> Result<O> + Sync,
) -> Result<Vec<O>> {
    let workers = side_by_side.min(jobs.len()).max(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = (threads / workers).max(1);
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Mutex<Vec<Option<Result<O>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..workers {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(share).build().context("no thread pool")?;
            let (next, failed, results, work) = (&next, &failed, &results, &work);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= jobs.len() || failed.load(Ordering::SeqCst) || stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let result = pool.install(|| work(&jobs[at]));
                    failed.fetch_or(result.is_err(), Ordering::SeqCst);
                    let mut results = results.lock().expect("invariant: no worker panics with the lock held");
                    results[at] = Some(result);
                }
            });
        }
        Ok(())
    })?;
    let results = results.into_inner().expect("invariant: no worker panics with the lock held");
    // The first error in the order of the jobs; jobs that were not started are left out.
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::{order, run};

    #[test]
    fn jobs_that_would_wait_for_others_come_last() {
        let works = [Some("a"), Some("b"), Some("a"), None, Some("c"), Some("b"), None];
        assert_eq!(order(&works), [0, 1, 3, 4, 6, 2, 5]);
    }

    #[test]
    fn results_keep_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..20).collect();
        let stop = AtomicBool::new(false);
        for side_by_side in [1, 2, 64] {
            let squares = run(&jobs, side_by_side, &stop, |job| Ok(job * job)).unwrap();
            assert_eq!(squares, jobs.iter().map(|job| job * job).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_work_and_a_stop_leaves_the_rest() {
        let jobs: Vec<u64> = (0..20).collect();
        let stop = AtomicBool::new(false);
        let error = run(&jobs, 1, &stop, |job| if *job == 3 { anyhow::bail!("no {job}") } else { Ok(*job) });
        assert_eq!(error.unwrap_err().to_string(), "no 3");
        let done = run(&jobs, 1, &stop, |job| {
            stop.store(*job == 4, Ordering::SeqCst);
            Ok(*job)
        });
        assert_eq!(done.unwrap(), [0, 1, 2, 3, 4]);
    }
}
