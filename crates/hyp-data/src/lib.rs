//! Image data sets: files to an index, an index to batches of plain numbers.
