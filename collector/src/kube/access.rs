//! From a kubeconfig to clients.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::{
    ExecConfig, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError,
};
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
    /// Whom to act as, instead of as oneself: for those who may impersonate.
    pub user: Option<String>,
    /// Of which groups that one is.
    pub groups: Vec<String>,
    /// Nobody can be asked for anything: the terminal has become a screen.
    pub mute: bool,
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
        let may_ask = |exec: &ExecConfig| exec.interactive_mode != Some(ExecInteractiveMode::Never);
        if config.auth_info.exec.as_ref().is_some_and(may_ask) {
            // Plugins remember what they were told, so that asking once is enough.
            if !options.mute {
                Client::try_from(config.clone()).map_err(|error| wrong(error.to_string()))?;
            }
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

/// The names of the contexts there are, and the current one's. None, where there is no kubeconfig
/// that can be read.
#[must_use]
pub fn contexts(options: &Options) -> (Vec<String>, Option<String>) {
    let read = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let Ok(kubeconfig) = read else {
        return (Vec::new(), None);
    };
    let names = kubeconfig.contexts.into_iter().map(|context| context.name);
    (names.collect(), kubeconfig.current_context)
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
    let mut config = read(options).await?;
    if options.user.is_some() {
        config.auth_info.impersonate.clone_from(&options.user);
    }
    if !options.groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.groups.clone());
    }
    Ok(config)
}

/// Why there is no kubeconfig that can be used, outside of a pod.
fn missing(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(why, path) if why.kind() == ErrorKind::NotFound => format!(
            "there is no {}, and this is not a pod: name one by --kubeconfig or $KUBECONFIG",
            path.display()
        ),
        error => error.to_string(),
    }
}

async fn read(options: &Options) -> Result<Config, String> {
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
        None => match Config::from_kubeconfig(&context).await {
            Err(error) if options.context.is_none() => {
                Config::incluster().map_err(|_no_pod| missing(&error))
            }
            config => config.map_err(|e| sentence(&e)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(user: &str) -> (tempfile::TempDir, Options) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1'}}}}]\n\
             contexts: [{{name: a, context: {{cluster: c, user: u, namespace: shop}}}}, \
             {{name: b, context: {{cluster: c, user: u}}}}]\n\
             users: [{{name: u, user: {user}}}]\n"
        );
        std::fs::write(&path, text).unwrap();
        let options = Options {
            kubeconfig: Some(path),
            ..Options::default()
        };
        (dir, options)
    }

    #[tokio::test]
    async fn the_namespace_is_the_contexts() {
        let (_dir, mut options) = kubeconfig("{token: x}");
        assert_eq!(Access::open(&options).await.unwrap().namespace, "shop");
        options.context = Some("b".to_owned());
        assert_eq!(Access::open(&options).await.unwrap().namespace, "default");
        options.context = Some("c".to_owned());
        let error = Access::open(&options).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot use the kubeconfig /"), "{error}");
        let names = ["a", "b"].map(str::to_owned).to_vec();
        assert_eq!(contexts(&options), (names, Some("a".to_owned())));
    }

    #[tokio::test]
    async fn somebody_else_can_be_acted_as() {
        let (_dir, mut options) = kubeconfig("{token: x, as: jane}");
        options.groups = vec!["viewers".to_owned()];
        let of = |options: Options| async move {
            let auth = config(&options).await.unwrap().auth_info;
            (auth.impersonate, auth.impersonate_groups)
        };
        let groups = Some(options.groups.clone());
        assert_eq!(
            of(options.clone()).await,
            (Some("jane".to_owned()), groups.clone())
        );
        options.user = Some("joe".to_owned());
        assert_eq!(of(options).await, (Some("joe".to_owned()), groups));
    }

    #[tokio::test]
    async fn a_plugin_may_ask_at_first_and_not_again() {
        let (dir, mut options) = kubeconfig("{}");
        let (plugin, said) = (dir.path().join("plugin"), dir.path().join("said"));
        let status = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2999-01-01T00:00:00Z"}}"#;
        let script = format!(
            "#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >>{}\necho '{status}'\n",
            said.display()
        );
        std::fs::write(&plugin, script).unwrap();
        let user = format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: ['{}'], interactiveMode: IfAvailable}}}}",
            plugin.display()
        );
        let (_other, with_plugin) = kubeconfig(&user);
        options.kubeconfig = with_plugin.kubeconfig;
        Access::open(&options).await.unwrap();
        let said = std::fs::read_to_string(said).unwrap();
        let may_ask = |line: &str| line.contains("\"interactive\":true");
        let asked: Vec<bool> = said.lines().map(may_ask).collect();
        // A client asks its plugin more than once while it is made.
        let first = asked.iter().take_while(|may| **may).count();
        assert!(first > 0 && first < asked.len(), "{said}");
        assert!(asked[first..].iter().all(|may| !may), "{said}");
    }
}
