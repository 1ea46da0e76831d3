//! The load: two threads that connect, accept and close on loopback as fast as they can.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Instant;

use anyhow::{Context, ensure};

const THREADS: u8 = 2;
/// Each has its own ephemeral ports, so that no port is needed twice within a minute.
const LISTENERS: u8 = 8;
/// No other traffic has it, so that a tool's lines about the load can be told from others.
pub const ADDRESS: &str = "127.83.0.";

/// A load that runs.
pub struct Load {
    child: Child,
    connections: u32,
}

/// Starts a load in a network namespace of its own, which has no connection in `TIME_WAIT` yet.
pub fn start(connections: u32) -> anyhow::Result<Load> {
    let script = "ip link set lo up && exec \"$0\" --load \"$1\"";
    let child = Command::new("unshare")
        .args(["--net", "sh", "-c", script])
        .arg(std::env::current_exe()?)
        .arg(connections.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `unshare`, of util-linux")?;
    Ok(Load { child, connections })
}

impl Load {
    /// Waits for the end: connections per second.
    pub fn rate(self) -> anyhow::Result<f64> {
        let output = self.child.wait_with_output()?;
        ensure!(output.status.success(), "the load failed: is this root?");
        let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        Ok(f64::from(self.connections) / seconds)
    }
}

/// Makes the connections, and prints how many seconds that took.
pub fn run(connections: u32) -> anyhow::Result<()> {
    let gate = Barrier::new(THREADS.into());
    let took = std::thread::scope(|scope| {
        let threads = [0, 1].map(|thread| {
            let gate = &gate;
            scope.spawn(move || connect_and_close(thread, connections / u32::from(THREADS), gate))
        });
        let took = threads.map(|thread| thread.join().map_err(|_| "a thread panicked"));
        took.into_iter()
            .map(|took| took.map_err(anyhow::Error::msg).flatten())
            .collect::<anyhow::Result<Vec<f64>>>()
    })?;
    println!("{}", took.into_iter().fold(0.0, f64::max));
    Ok(())
}

fn connect_and_close(thread: u8, connections: u32, gate: &Barrier) -> anyhow::Result<f64> {
    let address = |i| Ipv4Addr::new(127, 83, 0, 1 + thread * LISTENERS + i);
    let listeners = (0..LISTENERS).map(|i| TcpListener::bind((address(i), 0)));
    let listeners = listeners.collect::<std::io::Result<Vec<_>>>()?;
    let addresses = listeners.iter().map(TcpListener::local_addr);
    let addresses = addresses.collect::<std::io::Result<Vec<_>>>()?;
    gate.wait();
    let began = Instant::now();
    let ends = listeners.iter().zip(&addresses).cycle();
    for (listener, address) in ends.take(connections as usize) {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        drop(client);
        drop(server);
    }
    Ok(began.elapsed().as_secs_f64())
}
