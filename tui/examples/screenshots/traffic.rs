//! Something to look at: an nginx with an API behind it, clients of all kinds, a service that is
//! down, one that resets. Real programs and real connections, all of them on loopback.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

/// Of the web server, in front of [`API`].
const WEB: u16 = 8080;
/// Of the server behind it.
const API: u16 = 9000;
/// Of the service that resets its clients.
const RESETTING: u16 = 6379;
/// Where nothing listens.
const DOWN: u16 = 5432;

/// Between two clients, and as long as the one that is killed lives.
const PACE: Duration = Duration::from_millis(120);
/// How many clients there are at the most, for a run that nobody stops.
const CLIENTS_MAX: usize = 2000;
const LARGE_FILE: usize = 2 << 20;

/// Clients, one after the other, over and over: a program, its options, and the path that it asks
/// for at the port.
const CLIENTS: [(&str, &[&str], u16, &str); 7] = [
    ("curl", &["-s", "-o", "/dev/null"], WEB, "/"),
    ("wget", &["-q", "-O", "/dev/null"], WEB, "/large"),
    ("curl", &["-s", "-o", "/dev/null"], WEB, "/api/"),
    ("curl", &["-s", "-o", "/dev/null"], DOWN, "/"),
    ("curl", &["-s", "-o", "/dev/null"], WEB, "/orders/"),
    ("curl", &["-s", "-o", "/dev/null"], RESETTING, "/"),
    ("wget", &["-q", "-t", "1", "-O", "/dev/null"], WEB, "/"),
];

/// Traffic that goes on until this is dropped.
pub(crate) struct Traffic {
    /// Where the web server's files are.
    _folder: TempDir,
    nginx: Child,
    stop: Sender<()>,
    clients: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Traffic {
    /// Starts the servers, and clients of them.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("nginx.conf"), configuration())?;
        std::fs::write(folder.path().join("index.html"), "ok\n")?;
        std::fs::write(folder.path().join("large"), vec![b'x'; LARGE_FILE])?;
        let nginx = Command::new("nginx")
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .spawn()
            .context("nginx does not start; the pictures need nginx, curl and wget")?;
        let (stop, stopped) = channel();
        let clients = Some(std::thread::spawn(move || run_clients(&stopped)));
        Ok(Self {
            _folder: folder,
            nginx,
            stop,
            clients,
        })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // An error means that the clients have ended: joining them tells why.
        let _ = self.stop.send(());
        if let Some(Ok(Err(error))) = self.clients.take().map(JoinHandle::join) {
            eprintln!("a client failed: {error:#}");
        }
        if let Err(error) = end(&mut self.nginx) {
            eprintln!("nginx did not end: {error:#}");
        }
    }
}

fn configuration() -> String {
    format!(
        "user root; daemon off; master_process off; pid nginx.pid; error_log /dev/null;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
            uwsgi_temp_path tmp; scgi_temp_path tmp;
            server {{
                listen 127.0.0.1:{WEB}; listen [::1]:{WEB}; root .;
                location /api/ {{ proxy_pass http://127.0.0.1:{API}/; }}
                location /orders/ {{ proxy_pass http://127.0.0.1:{DOWN}/; }}
            }}
            server {{ listen 127.0.0.1:{API}; root .; }}
            reset_timedout_connection on;
            server {{ listen 127.0.0.1:{RESETTING}; return 444; }}
        }}"
    )
}

/// Runs one client after the other, half of them over IPv6 where the server has it, beside one
/// that downloads slowly and is killed in between.
fn run_clients(stopped: &Receiver<()>) -> anyhow::Result<()> {
    let mut slow = Vec::new();
    for (n, (program, options, port, path)) in
        CLIENTS.into_iter().cycle().take(CLIENTS_MAX).enumerate()
    {
        let host = if port == WEB && n % 2 == 1 {
            "[::1]"
        } else {
            "127.0.0.1"
        };
        // What its server does to it is what is to be seen: failures are wanted.
        client(program, options, host, port, path)?.wait()?;
        if n % CLIENTS.len() == 0 {
            let started = client(
                "curl",
                &["-s", "-o", "/dev/null", "--limit-rate", "40k"],
                "127.0.0.1",
                WEB,
                "/large",
            )?;
            slow.push(started);
        }
        if slow.len() > 3 {
            end(&mut slow.remove(0))?;
        }
        if stopped.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    slow.iter_mut().try_for_each(end)
}

fn client(
    program: &str,
    options: &[&str],
    host: &str,
    port: u16,
    path: &str,
) -> anyhow::Result<Child> {
    Command::new(program)
        .args(options)
        .arg(format!("http://{host}:{port}{path}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| {
            format!("{program} does not start; the pictures need nginx, curl and wget")
        })
}

fn end(child: &mut Child) -> anyhow::Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}
