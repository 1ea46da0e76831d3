//! The pod's address, where there is TLS only.

use super::*;

async fn shake_hands(socket: TcpStream) -> tokio_rustls::client::TlsStream<TcpStream> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting::anybody()));
    let name = socket.peer_addr().unwrap().ip().into();
    let shaking = connector.connect(name, socket);
    timeout(BOUND, shaking).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_pods_address_speaks_tls() {
    let address = Ipv4Addr::new(127, 0, 0, 2);
    let options = Options {
        address: Some(address.into()),
        ..Options::default()
    };
    let agent = Running::start(options).await;
    let socket = TcpStream::connect((address, agent.port)).await.unwrap();
    let tls = shake_hands(socket).await;
    let mut stream = get(tls, "/v1/stream?proto=1", &[(TOKEN_HEADER, GOOD)]).await;
    assert_eq!(stream.line().await["t"], "hello");
}

#[tokio::test]
async fn those_who_never_shake_hands_shut_nobody_out() {
    let address = [127, 0, 0, 2];
    let options = Options {
        address: Some(Ipv4Addr::from(address).into()),
        ..Options::default()
    };
    let agent = Running::start(options).await;
    let _crowd = door::Crowd::come(160, [127, 0, 0, 1], agent.at(address), b"");
    agent.crowded([127, 0, 0, 1], agent.at(address)).await;
    for _ in 0..10 {
        let socket = TcpStream::connect(agent.at(address)).await.unwrap();
        let tls = shake_hands(socket).await;
        let answer = get(tls, "/v1/hello", &[(TOKEN_HEADER, GOOD)]).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(probe::ask(agent.port, "/healthz").await, Ok(()));
}

/// A client that takes any certificate, as the API server does with a pod's.
mod trusting {
    use std::sync::Arc;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    struct Anybody;

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let provider = rustls::crypto::ring::default_provider();
            provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }

    pub(super) fn anybody() -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth()
    }
}
