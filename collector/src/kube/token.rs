//! The viewer's token, by which agents know that whoever comes was allowed to ask for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Mutex;

use super::deploy::VIEWER;
use super::review::AUDIENCE;
use super::watch::sentence;

/// How long a token is to hold. The API server makes none for less than ten minutes.
const HOLDS: Duration = Duration::from_secs(3600);
/// Until then it is used for further dials: an agent keeps its streams when the token is over.
const USED_FOR: Duration = Duration::from_secs(600);

/// Tokens of the viewer's account, one after the other.
#[derive(Clone)]
pub struct Tokens {
    client: Client,
    namespace: Arc<str>,
    last: Arc<Mutex<Option<Made>>>,
}

/// A token, and when it was made.
type Made = (Arc<str>, Instant);

impl Tokens {
    /// Tokens for the agents of a namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            last: Arc::default(),
        }
    }

    /// A token that holds for a while. Many that ask at once cause one request.
    ///
    /// # Errors
    /// A sentence, with what mends it where that is known.
    pub async fn get(&self) -> Result<Arc<str>, String> {
        let mut last = self.last.lock().await;
        if let Some((token, made)) = &*last
            && made.elapsed() < USED_FOR
        {
            return Ok(Arc::clone(token));
        }
        let token: Arc<str> = self.request().await?.into();
        *last = Some((Arc::clone(&token), Instant::now()));
        Ok(token)
    }

    /// The token is not accepted: the next one is another.
    pub async fn refused(&self, token: &str) {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|(known, _)| **known == *token) {
            *last = None;
        }
    }

    async fn request(&self) -> Result<String, String> {
        let namespace = &self.namespace;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![AUDIENCE.to_owned()],
                expiration_seconds: i64::try_from(HOLDS.as_secs()).ok(),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = accounts
            .create_token_request(VIEWER, &PostParams::default(), &request)
            .await;
        match made {
            Ok(made) => made
                .status
                .map(|status| status.token)
                .ok_or_else(|| "the API server gave no token".to_owned()),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(format!(
                "you may not have a token of serviceaccount {VIEWER} in namespace {namespace}: \
                 bind the role {VIEWER} to your user"
            )),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(format!(
                "there is no serviceaccount {VIEWER} in namespace {namespace}: `tcpscope k8s \
                 deploy` makes it"
            )),
            Err(error) => Err(format!("no token for the agents: {}", sentence(&error))),
        }
    }
}
