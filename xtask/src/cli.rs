//! Commands and their options; each `--help` ends with an example.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::{ci, report, tidy, workspace};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Experiments, records, reports and house rules of this workspace",
    after_help = "Example:\n  cargo xtask reproduce table3 --scale smoke    about two minutes, no data needed"
)]
struct Cli {
    /// The workspace folder; found above the current folder when absent.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run tables and figures of the paper and judge them against the printed values.
    #[cfg(feature = "experiments")]
    #[command(after_help = REPRODUCE_EXAMPLES)]
    Reproduce(crate::experiment::Options),
    /// Fetch data sets and weights, whole and checked; without a name, list what there is.
    #[cfg(feature = "experiments")]
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(crate::fetch::Options),
    /// Try several curvatures for one row of a few-shot table, the suggested one among them.
    #[cfg(feature = "experiments")]
    #[command(
        after_help = "Example:\n  cargo xtask sweep table5 --grid c=0.001,0.01,0.1 --scale smoke    no data needed\n  \
                            cargo xtask sweep table5 --grid c=0.001,0.01,0.1 --data-root DIR    run again to go on"
    )]
    Sweep(crate::experiment::SweepOptions),
    /// Train on your own pictures.
    #[cfg(feature = "experiments")]
    #[command(subcommand)]
    #[command(after_help = "Example:\n  cargo xtask train fewshot --images DIR --out runs/mine")]
    Train(Train),
    /// Classify pictures from a handful of examples of each class.
    #[cfg(feature = "experiments")]
    #[command(
        after_help = "Examples:\n  cargo xtask predict --model runs/mine --support EXAMPLES --query PICTURES \
                            --reject 0.1 --csv answers.csv\n  cargo xtask predict --encoder efficientnet_lite0 --support \
                            EXAMPLES --query PICTURES    without training\n\nEXAMPLES holds a folder of pictures for each class; \
                            PICTURES holds pictures, in folders named after their classes where these are known. \
                            Features of a published network are compared by their angles, and d(x, 0) is twice their norm."
    )]
    Predict(crate::experiment::PredictOptions),
    /// Turn pictures into an index of embeddings, for `search` or any vector engine.
    #[cfg(feature = "parquet")]
    #[command(after_help = EMBED_EXAMPLES)]
    Embed(crate::retrieval::EmbedOptions),
    /// Find the pictures of an index that are nearest to others, exactly; as a table and as a picture.
    #[cfg(feature = "parquet")]
    #[command(after_help = SEARCH_EXAMPLES)]
    Search(crate::retrieval::SearchOptions),
    /// Write the tables of results, the README's table and `runs/report.html` from the records.
    #[command(after_help = "Example:\n  cargo xtask report            write them\n  \
                            cargo xtask report --check    only say whether they are current")]
    Report(ReportOptions),
    /// Check the house rules: crate edges, file sizes, paths named in the docs, equations, pictures.
    #[command(after_help = "Example:\n  cargo xtask tidy\n  \
                            cargo run -p xtask --no-default-features -- tidy    without building Candle")]
    Tidy,
    /// Run every check: format, house rules, records, lints, tests, docs.
    #[command(
        after_help = "Example:\n  cargo xtask ci\n  cargo xtask ci --no-test    when the tests ran already\n  \
                      HYP_DATA=DIR cargo xtask ci --peers"
    )]
    Ci(CiOptions),
    /// Say how hyperbolic a file of features or distances is: δ, δ_rel, the curvature they suggest, and controls.
    #[cfg(feature = "experiments")]
    #[command(after_help = DELTA_EXAMPLES)]
    Delta(crate::delta::Options),
    /// Measure speed, with the figures of other libraries beside ours.
    #[cfg(feature = "experiments")]
    #[command(
        after_help = "Example:\n  cargo xtask bench nn                   this project alone, development build\n  cargo run --release -p xtask -- bench nn --peer --write    against other libraries, and update docs/performance.md"
    )]
    Bench(crate::bench::Options),
    /// Compare every operation, training steps and a short training on each CUDA device with the CPU.
    #[cfg(feature = "experiments")]
    #[command(
        after_help = "Example:\n  cargo run --release -p xtask --features cuda -- gpu-check    every device found\n  \
                            docs/gpu.md says how to build with CUDA and what the table means;\n  \
                            cargo xtask gpu-check    built without CUDA, says so and fails"
    )]
    GpuCheck(crate::gpu_check::Options),
}

/// What to train.
#[cfg(feature = "experiments")]
#[derive(Debug, Subcommand)]
enum Train {
    /// A few-shot classifier, by episodes.
    #[command(after_help = TRAIN_FEWSHOT_EXAMPLES)]
    Fewshot(crate::experiment::TrainOptions),
    /// An embedding of people, or of anything with identities that several cameras see.
    #[command(after_help = TRAIN_REID_EXAMPLES)]
    Reid(crate::experiment::TrainReidOptions),
}

#[cfg(feature = "experiments")]
const TRAIN_FEWSHOT_EXAMPLES: &str = "\
Examples:
  cargo xtask train fewshot --images DIR --out runs/mine                              the Poincaré ball
  cargo xtask train fewshot --images DIR --geometry fixed-radius --out runs/sphere    the same on a sphere in flat space
  cargo xtask train fewshot --images DIR --out runs/mine --resume                     go on where it stopped

DIR holds a folder of pictures for each class, or train/, val/ and test/ with such folders; so may a zip archive.";

#[cfg(feature = "experiments")]
const TRAIN_REID_EXAMPLES: &str = "\
Examples:
  cargo xtask train reid --images DIR --out runs/people                  pictures named 0002_c1s1_000451_03.jpg
  cargo xtask train reid --images DIR --labels cameras --epochs 60       pictures in IDENTITY/CAMERA/
  cargo xtask train reid --images LIST.csv --geometry euclidean          columns path,identity,camera[,split]
  cargo xtask train reid --images DIR --backbone conv4 --height 84 --width 84    without published weights

Identities are cut into those that are trained with and those that are looked for, of which the first picture by each
camera is a query; folders or a column named train, query and gallery say it otherwise.";

#[cfg(feature = "parquet")]
const EMBED_EXAMPLES: &str = "\
Examples:
  cargo xtask embed --model runs/people --images DIR --out emb.parquet       DIR: a folder, a zip, or a CSV list
  cargo xtask embed --model runs/table6.reduced/market1501/poincare/128/sch1/seed0 --images DIR --out emb.parquet
  cargo xtask embed --encoder efficientnet_lite0 --images DIR --out emb.parquet    a published network
  cargo xtask embed --model runs/mine --images DIR --out emb.csv             for programs that read nothing else

docs/retrieval.md says what the columns are, and how any vector engine ranks by hyperbolic distance.";

#[cfg(feature = "parquet")]
const SEARCH_EXAMPLES: &str = "\
Examples:
  cargo xtask search --index emb.parquet --query a.jpg b.jpg --top 10
  cargo xtask search --index emb.parquet --query a.jpg --other-cameras --png found.png
  cargo xtask search --index emb.parquet --query a.jpg --metric cosine
  cargo xtask search --index emb.parquet --check    would an engine of inner products find the same?";

#[cfg(feature = "experiments")]
const REPRODUCE_EXAMPLES: &str = "\
Examples:
  cargo xtask reproduce table3 --scale smoke                 two minutes, shipped data
  cargo xtask reproduce table1                               no data needed, two minutes
  cargo xtask reproduce table2 --scale reduced --data-root DIR   features of real pictures
  cargo xtask reproduce table3 --data-root DIR --jobs 2      data that lie elsewhere than in data/cache
  cargo xtask reproduce table3 --row poincare/n2 --resume    go on where it stopped
  cargo xtask reproduce table3 --print-config                show what would run
  cargo xtask reproduce table4 --scale smoke                 few-shot classification, three minutes, shipped data
  cargo xtask reproduce table4 --data-root DIR --jobs 2      on mini-ImageNet; says first how long it will take";

#[cfg(feature = "experiments")]
const DELTA_EXAMPLES: &str = "\
Examples:
  cargo xtask delta features.npy                             exact δ of all points at the first of them
  cargo xtask delta features.npz --key pool --metric cosine  one array of several, by angle
  cargo xtask delta points.csv --metric poincare --c 0.1     points of the ball of curvature −0.1
  cargo xtask delta distances.npy --all-bases                the four-point constant of a distance matrix
  cargo xtask delta features.safetensors --budget 30s        a certain interval after half a minute
  cargo xtask delta features.npy --protocol khrulkov2020     the paper's estimate: 10 draws of 1,000 points
  cargo xtask delta PICTURES --encoder efficientnet_lite0    a folder of pictures as a published network sees them
  cargo xtask delta features.npy --memory 2                  a certain interval in two gigabytes";

#[cfg(feature = "experiments")]
const FETCH_EXAMPLES: &str = "\
Examples:
  cargo xtask fetch                          what there is, with size, licence and state
  cargo xtask fetch mnist omniglot           into data/cache, where `reproduce` finds them
  cargo xtask fetch cub --dry-run            from where, how much, and nothing else
  cargo xtask fetch --verify                 look again at everything that is there
  cargo xtask fetch resnet34 --data-root DIR";

#[derive(Debug, Args)]
struct ReportOptions {
    /// Write nothing; fail when a generated table differs from what the records say.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct CiOptions {
    /// Leave `cargo test` out.
    #[arg(long)]
    no_test: bool,
    /// Also compare the readers of data with those of candle-datasets, a package outside the workspace whose
    /// dependencies take minutes to build; `HYP_DATA=DIR` adds the real files.
    #[arg(long)]
    peers: bool,
}

/// Reads the command line and runs the command.
pub(crate) fn run() -> Result<ExitCode> {
    let cli = Cli::parse();
    let root = workspace::find_root(cli.root)?;
    match cli.command {
        #[cfg(feature = "experiments")]
        Command::Reproduce(options) => crate::experiment::reproduce(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Fetch(options) => crate::fetch::run(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Sweep(options) => crate::experiment::sweep(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Train(Train::Fewshot(options)) => crate::experiment::train(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Predict(options) => crate::experiment::predict(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Train(Train::Reid(options)) => crate::experiment::train_reid(&root, &options),
        #[cfg(feature = "parquet")]
        Command::Embed(options) => crate::retrieval::embed(&root, &options),
        #[cfg(feature = "parquet")]
        Command::Search(options) => crate::retrieval::search(&root, &options),
        Command::Report(options) if options.check => {
            let problems = report::check(&root)?;
            Ok(verdict_of(&problems, "records and tables are current"))
        }
        Command::Report(_) => {
            report::write(&root)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Tidy => {
            let problems = tidy::check(&root)?;
            Ok(verdict_of(&problems, "the house is tidy"))
        }
        Command::Ci(options) => ci::run(&root, options.no_test, options.peers),
        #[cfg(feature = "experiments")]
        Command::Delta(options) => crate::delta::run(&root, &options),
        #[cfg(feature = "experiments")]
        Command::Bench(options) => crate::bench::run(&root, &options),
        #[cfg(feature = "experiments")]
        Command::GpuCheck(options) => crate::gpu_check::run(&root, &options),
    }
}

/// Prints every problem; the exit code says whether there was one.
pub(crate) fn verdict_of(problems: &[tidy::Problem], fine: &str) -> ExitCode {
    if problems.is_empty() {
        println!("{fine}");
        return ExitCode::SUCCESS;
    }
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("{} problem{} found", problems.len(), if problems.len() == 1 { "" } else { "s" });
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_command_shows_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("cargo xtask"), "{} shows no example", command.get_name());
        }
    }
}
