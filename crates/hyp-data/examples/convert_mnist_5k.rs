//! Makes `data/mnist_5k` from the CSV file in which its digits are distributed.
//!
//! ```sh
//! cargo run -p hyp-data --example convert_mnist_5k -- mnist_5k.csv.gz data/mnist_5k
//! ```

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use hyp_data::source::idx::{self, IdxArray};
use hyp_data::source::mnist_5k;

const PIXELS: usize = 28 * 28;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [csv, folder] = arguments.as_slice() else {
        return Err("two arguments: the CSV file (gzipped) and the folder to write to".into());
    };
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for line in BufReader::new(GzDecoder::new(File::open(csv)?)).lines() {
        let mut row = line?.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>()?;
        if row.len() != PIXELS + 1 {
            return Err(format!("line {}: {} cells, not {}", labels.len() + 1, row.len(), PIXELS + 1).into());
        }
        labels.extend(row.pop());
        pixels.append(&mut row);
    }
    let folder = Path::new(folder);
    idx::write(&folder.join(mnist_5k::IMAGES), &IdxArray { dims: vec![labels.len(), 28, 28], data: pixels })?;
    idx::write(&folder.join(mnist_5k::LABELS), &IdxArray { dims: vec![labels.len()], data: labels })?;
    Ok(())
}
