//! Addresses, and the certificate for those that are not loopback.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::AgentError;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(5);

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
    pub(super) async fn plain(address: SocketAddr) -> Result<Self, AgentError> {
        let socket = TcpListener::bind(address).await;
        Ok(Self {
            socket: socket.map_err(|error| AgentError::Listen(address, error))?,
            tls: None,
        })
    }

    pub(super) async fn tls(address: SocketAddr) -> Result<Self, AgentError> {
        let config = certificate(address).map_err(AgentError::Certificate)?;
        Ok(Self {
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            ..Self::plain(address).await?
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
