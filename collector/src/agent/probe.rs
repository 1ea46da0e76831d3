//! Asking an agent on this host how it is: the probe that a container runs in itself.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long it may take.
const WITHIN: Duration = Duration::from_secs(2);

/// Asks the agent on this port of loopback for `/healthz` or `/readyz`.
///
/// # Errors
/// A sentence, if it does not answer with ok.
pub async fn ask(port: u16, path: &str) -> Result<(), String> {
    let asking = timeout(WITHIN, status(port, path));
    match asking.await {
        Ok(Ok(200)) => Ok(()),
        Ok(Ok(status)) => Err(format!(
            "the agent on port {port} answers {path} with {status}"
        )),
        Ok(Err(error)) => Err(format!("no agent answers on port {port}: {error}")),
        Err(_) => Err(format!("the agent on port {port} does not answer")),
    }
}

async fn status(port: u16, path: &str) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let request = Request::get(path)
        .header(hyper::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())?;
    // The connection has to be driven while the answer is waited for; it ends with the answer.
    let answer = async move { sender.send_request(request).await.map(|r| r.status()) };
    let (status, _) = tokio::join!(answer, connection);
    Ok(status?.as_u16())
}
