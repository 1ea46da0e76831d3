//! From a kubeconfig to clients.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;

/// How long to wait for the API server's address to answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Which cluster, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The kubeconfig; else `$KUBECONFIG`, else `~/.kube/config`, else that of the pod this runs in.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; else the current one.
    pub context: Option<String>,
}

/// Why there is no way to a cluster.
#[derive(Debug, Error)]
#[error("cannot use the kubeconfig{}: {why}", .path.as_ref().map(|p| format!(" {}", p.display())).unwrap_or_default())]
pub struct AccessError {
    path: Option<PathBuf>,
    why: String,
}

/// A cluster that is known by its kubeconfig; nobody was asked yet.
#[derive(Clone)]
pub struct Access {
    /// For single requests and for watches: what fails for a moment is tried again.
    pub client: Client,
    /// For streams: fails at once, and whoever holds the stream decides when to try again.
    pub streaming: Client,
    /// The context's namespace.
    pub namespace: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access, namespace {}", self.namespace)
    }
}

impl Access {
    /// Reads the kubeconfig, and runs its credential plugin if it has one. That may ask for
    /// something on the terminal: call it before the screen is taken. Later runs of the plugin are
    /// told not to ask.
    ///
    /// # Errors
    /// If there is no kubeconfig, or nothing in it that can be used.
    pub async fn open(options: &Options) -> Result<Self, AccessError> {
        let wrong = |why: String| AccessError {
            path: options.kubeconfig.clone(),
            why,
        };
        let mut config = config(options).await.map_err(wrong)?;
        config.connect_timeout = Some(CONNECT_WITHIN);
        if let Some(exec) = &mut config.auth_info.exec
            && exec.interactive_mode != Some(ExecInteractiveMode::Never)
        {
            // Plugins remember what they were told, so that asking once is enough.
            exec.interactive_mode = Some(ExecInteractiveMode::IfAvailable);
            Client::try_from(config.clone()).map_err(|error| wrong(error.to_string()))?;
            if let Some(exec) = &mut config.auth_info.exec {
                exec.interactive_mode = Some(ExecInteractiveMode::Never);
            }
        }
        let client = |default_retry| {
            let mut config = config.clone();
            config.default_retry = default_retry;
            Client::try_from(config).map_err(|error| wrong(error.to_string()))
        };
        Ok(Self {
            client: client(true)?,
            streaming: client(false)?,
            namespace: config.default_namespace.clone(),
        })
    }
}

/// A client as the pod that this runs in, and the pod's namespace.
///
/// # Errors
/// A sentence, if this is not a pod, or one without a token.
pub fn in_cluster() -> Result<(Client, String), String> {
    let config = Config::incluster()
        .map_err(|error| format!("this is not a pod with a service account: {error}"))?;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config)
        .map_err(|error| format!("cannot speak to the API server: {error}"))?;
    Ok((client, namespace))
}

async fn config(options: &Options) -> Result<Config, String> {
    let context = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let sentence = |error: &dyn std::fmt::Display| error.to_string();
    match &options.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|e| sentence(&e))?;
            let config = Config::from_custom_kubeconfig(kubeconfig, &context).await;
            config.map_err(|e| sentence(&e))
        }
        None if options.context.is_some() => {
            let config = Config::from_kubeconfig(&context).await;
            config.map_err(|e| sentence(&e))
        }
        None => Config::infer().await.map_err(|e| sentence(&e)),
    }
}
