//! Addresses, and the certificate for those that are not loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::AgentError;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How many connections the kernel keeps until they are accepted. Of the usual 128, a crowd that comes
/// again and again leaves nothing for others, whose connections are lost then.
const OUTSIDE: u32 = 1024;

/// An address.
pub(super) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.socket.fmt(f)
    }
}

/// Bytes both ways, through TLS or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A client that has come, and has not shaken hands yet.
pub(super) struct Incoming {
    /// The other end's address.
    pub(super) from: IpAddr,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    pub(super) fn plain(address: SocketAddr) -> Result<Self, AgentError> {
        let socket = listen(address).map_err(|error| AgentError::Listen(address, error))?;
        Ok(Self { socket, tls: None })
    }

    pub(super) fn tls(address: SocketAddr) -> Result<Self, AgentError> {
        let config = certificate(address).map_err(AgentError::Certificate)?;
        Ok(Self {
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            ..Self::plain(address)?
        })
    }

    pub(super) fn port(&self) -> Result<u16, AgentError> {
        let address = self.socket.local_addr();
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        address
            .map(|address| address.port())
            .map_err(|error| AgentError::Listen(any, error))
    }

    pub(super) async fn accept(&self) -> io::Result<Incoming> {
        let (socket, from) = self.socket.accept().await?;
        Ok(Incoming {
            from: from.ip(),
            socket,
            tls: self.tls.clone(),
        })
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // An agent that is started anew does not wait for what its last connections left behind.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(OUTSIDE)
}

impl Incoming {
    pub(super) async fn shake_hands(self) -> io::Result<Box<dyn Duplex>> {
        self.socket.set_nodelay(true)?;
        Ok(match self.tls {
            None => Box::new(self.socket),
            Some(tls) => Box::new(timeout(HANDSHAKE, tls.accept(self.socket)).await??),
        })
    }
}

/// A key and a certificate of this run. Nobody checks it: the API server takes any from a pod. It
/// keeps the token and the events from whoever listens on the way.
fn certificate(address: SocketAddr) -> Result<ServerConfig, String> {
    let names = vec![address.ip().to_string()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|e| e.to_string())?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], key.into())
        .map_err(|e| e.to_string())
}
