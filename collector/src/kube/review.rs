//! The agent asks the API server who a token belongs to, and whether they may.
//!
//! A token is one of a `ServiceAccount` for the audience [`AUDIENCE`], so that no other token of the
//! cluster opens an agent, and these open nothing else. What is asked is whether the account may
//! `get pods/proxy` where the agents are: deleting its binding shuts all agents within a minute.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};

use crate::agent::auth::{Authorize, Deciding, Verdict};

/// What tokens for agents are for.
pub const AUDIENCE: &str = "tcpscope";

/// Asks the API server. Every question is two requests: remember the answers.
pub struct Reviews {
    client: Client,
    namespace: String,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reviews in {}", self.namespace)
    }
}

impl Reviews {
    /// Asks through `client` about access to what is in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    async fn review(&self, token: &str) -> Result<Verdict, kube::Error> {
        let question = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let tokens = Api::<TokenReview>::all(self.client.clone());
        let answer = tokens.create(&PostParams::default(), &question).await?;
        let status = answer.status.unwrap_or_default();
        // An API server that does not know of audiences says nothing about them.
        let for_us = status.audiences.iter().flatten().any(|a| a == AUDIENCE);
        let Some(user) = status
            .user
            .filter(|_| status.authenticated == Some(true) && for_us)
        else {
            return Ok(Verdict::Unknown);
        };
        self.may(user).await
    }

    async fn may(&self, user: UserInfo) -> Result<Verdict, kube::Error> {
        let name = user.username.clone().unwrap_or_default();
        let question = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                groups: user.groups,
                uid: user.uid,
                extra: user.extra,
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(self.namespace.clone()),
                    verb: Some("get".to_owned()),
                    resource: Some("pods".to_owned()),
                    subresource: Some("proxy".to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let access = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = access.create(&PostParams::default(), &question).await?;
        Ok(match answer.status {
            Some(status) if status.allowed => Verdict::Allowed,
            _ => Verdict::Forbidden(format!(
                "{name} may not get pods/proxy in namespace {}",
                self.namespace
            )),
        })
    }
}

impl Authorize for Reviews {
    fn decide<'a>(&'a self, token: &'a str) -> Deciding<'a> {
        Box::pin(async move {
            self.review(token).await.unwrap_or_else(|error| {
                tracing::warn!("a token could not be reviewed: {error}");
                Verdict::Undecided("the API server could not be asked about this token".to_owned())
            })
        })
    }
}
