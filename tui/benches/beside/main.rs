//! What tracing costs: tcpscope beside the tools that Debian has for the job, on the same load.
//!
//! ```text
//! sudo cargo bench -p tcpscope --bench beside            # all tools, some five minutes
//! sudo cargo bench -p tcpscope --bench beside -- --help
//! ```
//!
//! A round puts each tool beside the load once, and runs the load alone before each: the ratio of
//! the two rates is what the tool leaves. The table has the medians over all rounds, and below it
//! the machine. Nothing else should be busy meanwhile; ratios on a busy machine mean nothing.

mod load;
mod machine;
mod proc;
mod tool;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;

use self::proc::Statistics;
use self::tool::{Beside, TOOLS, Tool};

#[derive(Parser)]
#[command(about = "Compares what tracers cost and lose on the same load; needs root")]
struct Options {
    /// How often each tool is put beside the load.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections of one load.
    #[arg(long, default_value_t = 50_000)]
    connections: u32,
    /// Only the tools whose name begins like this.
    #[arg(long, default_value = "")]
    only: String,
    /// Stop each tool for so many milliseconds in the middle of the load.
    #[arg(long)]
    stall: Option<u64>,
    /// Where the tools' lines go while they are counted: should be in memory.
    #[arg(long, default_value = "/dev/shm")]
    folder: PathBuf,
    /// Be the load: so many connections, in the network namespace that this runs in.
    #[arg(long, hide = true)]
    load: Option<u32>,
    /// What `cargo bench` gives to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(connections) = options.load {
        return load::run(connections);
    }
    let tools: Vec<&Tool> = TOOLS
        .iter()
        .filter(|tool| tool.name.starts_with(&options.only))
        .filter(|tool| tool.is_there())
        .collect();
    ensure!(!tools.is_empty(), "no such tool is installed");

    println!(
        "| tool | rate left | lost | CPU s | memory MiB | kernel memory MiB | ns per event | µs per connection |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for tool in tools {
        println!("{}", measure(tool, &options)?);
    }
    println!(
        "\n{} pairs of {} connections each; {}",
        options.rounds,
        options.connections,
        machine::describe()
    );
    Ok(())
}

/// One tool's row of the table.
struct Row {
    tool: &'static Tool,
    connections: u32,
    beside: Vec<Beside>,
    /// With the kernel's statistics on, which cost something themselves.
    counted: Beside,
}

fn measure(tool: &'static Tool, options: &Options) -> anyhow::Result<Row> {
    let mut beside = Vec::new();
    for round in 1..=options.rounds {
        let alone = load::start(options.connections)?.rate()?;
        let run = tool
            .beside(options, alone)
            .with_context(|| format!("{}, round {round}", tool.name))?;
        eprintln!(
            "{} {round}: {alone:.0} alone, {:.0} beside, {:.0} of {} events lost",
            tool.name, run.rate, run.lost, run.expected
        );
        beside.push(run);
    }
    let statistics = Statistics::on()?;
    let counted = tool.beside(options, f64::NAN)?;
    drop(statistics);
    Ok(Row {
        tool,
        connections: options.connections,
        beside,
        counted,
    })
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let median = |of: fn(&Beside) -> f64| median(self.beside.iter().map(of).collect());
        let spread: Vec<f64> = self.beside.iter().map(Beside::ratio).collect();
        let (least, most) = (
            spread.iter().copied().fold(f64::INFINITY, f64::min),
            spread.iter().copied().fold(0.0, f64::max),
        );
        let ns = self.counted.kernel_ns;
        // Of a load that it is to write nothing of, a tool has no events.
        let ns_each = if self.counted.expected > 0.0 {
            format!("{:.0}", ns / self.counted.expected)
        } else {
            "–".to_owned()
        };
        write!(
            f,
            "| {} | {:.2} ({least:.2}–{most:.2}) | {:.2} % | {:.2} | {:.0} | {:.0} | {ns_each} | {:.2} |",
            self.tool.title,
            median(Beside::ratio),
            100.0 * median(|b| b.lost / b.expected.max(1.0)),
            median(|b| b.cpu_s),
            median(|b| b.memory_mib),
            median(|b| b.kernel_mib),
            ns / f64::from(self.connections) / 1000.0,
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
