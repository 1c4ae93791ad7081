//! The readers of `hyp-data` beside those of candle-datasets; everything is in `tests/candle_datasets.rs`.
