//! Timing of a closure.

use std::time::Instant;

/// How to measure.
pub(super) struct Setting {
    /// Runs of each line.
    pub(super) runs: usize,
}

/// One measured line, in milliseconds.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) median: f64,
    pub(super) fastest: f64,
    pub(super) slowest: f64,
    pub(super) peers: Vec<(&'static str, f64)>,
}

impl Setting {
    /// Times the closure after one run that is not counted.
    pub(super) fn line<E>(
        &self,
        name: &str,
        peers: &[(&'static str, f64)],
        mut work: impl FnMut() -> Result<(), E>,
    ) -> Result<Line, E> {
        work()?;
        let mut times = Vec::with_capacity(self.runs);
        for _ in 0..self.runs {
            let start = Instant::now();
            work()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        Ok(Line {
            name: name.to_owned(),
            median: times[times.len() / 2],
            fastest: times[0],
            slowest: times[times.len() - 1],
            peers: peers.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Setting;

    #[test]
    fn the_first_run_is_not_counted() {
        let mut count = 0;
        let line = Setting { runs: 5 }.line("x", &[], || {
            count += 1;
            Ok::<(), ()>(())
        });
        let line = line.unwrap();
        assert_eq!(count, 6);
        assert!(line.fastest <= line.median && line.median <= line.slowest);
    }
}
