//! Where the agents are: their pods, and what keeps one from answering.

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::api::ListParams;
use kube::{Api, Client};

use super::deploy::{AGENT, DeployError};
use super::watch::{Changes, sentence, watch};

/// The label by which agents are found.
const LABEL: &str = "app.kubernetes.io/name";
/// The name of the agent's port.
const PORT: &str = "agent";

/// An agent's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPod {
    /// The node it is on.
    pub node: String,
    /// The pod's name.
    pub name: String,
    /// Another one under the same name has another.
    pub uid: String,
    /// The port that it serves on.
    pub port: u16,
    /// Whether the API server's proxy is let in; else only port-forwards are.
    pub proxy: bool,
    /// Why it can't answer, if it can't: a sentence.
    pub down: Option<String>,
}

/// Watches the agents of a namespace.
#[must_use]
pub fn agents(client: Client, namespace: &str) -> Changes<Pod> {
    let pods = Api::namespaced(client, namespace);
    watch(pods, &format!("{LABEL}={AGENT}"), "")
}

/// The agents that there are now, by node.
///
/// # Errors
/// If the API server does not say.
pub async fn list(client: &Client, namespace: &str) -> Result<Vec<AgentPod>, DeployError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let labels = ListParams::default().labels(&format!("{LABEL}={AGENT}"));
    let pods = pods.list(&labels).await;
    let pods = pods.map_err(|error| DeployError::Asked(sentence(&error)))?;
    let mut agents: Vec<AgentPod> = pods.iter().filter_map(read).collect();
    agents.sort_by(|a, b| (&a.node, &a.name).cmp(&(&b.node, &b.name)));
    Ok(agents)
}

/// The agent in a pod; `None` before it has a node.
#[must_use]
pub fn read(pod: &Pod) -> Option<AgentPod> {
    let spec = pod.spec.as_ref()?;
    let container = spec.containers.first()?;
    let mut ports = container.ports.iter().flatten();
    let port = ports.find(|port| port.name.as_deref() == Some(PORT));
    let port = port.and_then(|port| u16::try_from(port.container_port).ok());
    let mut args = container.args.iter().flatten();
    Some(AgentPod {
        node: spec.node_name.clone()?,
        name: pod.metadata.name.clone()?,
        uid: pod.metadata.uid.clone()?,
        port: port.unwrap_or(crate::agent::PORT),
        proxy: args.any(|arg| arg == "--listen=proxy"),
        down: down(pod),
    })
}

/// What the pod's status says of why nobody answers.
fn down(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("the agent is being stopped; the next one is awaited".to_owned());
    }
    let status = pod.status.as_ref();
    let container = status.and_then(|status| status.container_statuses.as_ref()?.first());
    let Some(container) = container else {
        let conditions = status
            .into_iter()
            .flat_map(|s| s.conditions.iter().flatten());
        let mut messages = conditions.filter_map(|condition| condition.message.as_deref());
        let message = messages.next().unwrap_or("the agent is being started");
        return Some(message.to_owned());
    };
    if container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some())
    {
        return None;
    }
    // What a container that is about to be started again said last is worth more than that it is.
    let said_in = [container.state.as_ref(), container.last_state.as_ref()];
    let said = said_in.into_iter().flatten().find_map(last_words);
    said.or_else(|| Some("the agent is being started".to_owned()))
}

fn last_words(state: &ContainerState) -> Option<String> {
    if let Some(over) = &state.terminated {
        let message = over.message.as_deref().unwrap_or_default().trim();
        let message = message.lines().last().unwrap_or_default();
        let message = message.strip_prefix("tcpscope: ").unwrap_or(message);
        return Some(match (message, &over.reason) {
            ("", Some(reason)) => format!("the agent ended: {reason}, status {}", over.exit_code),
            ("", None) => format!("the agent ended with status {}", over.exit_code),
            (message, _) => message.to_owned(),
        });
    }
    let waiting = state.waiting.as_ref()?;
    match waiting.reason.as_deref()? {
        // What it said before is in the other state.
        "CrashLoopBackOff" | "ContainerCreating" | "PodInitializing" => None,
        reason => Some(match &waiting.message {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn agent(state: &Value, last: &Value) -> AgentPod {
        let pod = json!({
            "metadata": {"name": "tcpscope-agent-x", "uid": "u1"},
            "spec": {"nodeName": "n1", "containers": [{
                "name": "agent", "args": ["agent", "--listen=proxy"],
                "ports": [{"name": "agent", "containerPort": 7272}],
            }]},
            "status": {"containerStatuses": [{
                "name": "agent", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": state, "lastState": last,
            }]},
        });
        read(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    #[test]
    fn a_running_agent_has_a_node_and_a_port() {
        let agent = agent(&json!({"running": {}}), &json!({}));
        assert_eq!((&*agent.node, agent.port, agent.proxy), ("n1", 7272, true));
        assert_eq!(agent.down, None);
    }

    #[test]
    fn an_agent_that_is_down_says_why() {
        let crash = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
        let words = "tcpscope: serving n1\ntcpscope: this kernel has no BTF\n";
        let ended = json!({"terminated": {"exitCode": 1, "reason": "Error", "message": words}});
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let image = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
        let creating = json!({"waiting": {"reason": "ContainerCreating"}});
        let none = json!({});
        for (state, last, why) in [
            (&crash, &ended, "this kernel has no BTF"),
            (&killed, &none, "the agent ended: OOMKilled, status 137"),
            (&image, &none, "ErrImagePull: no such image"),
            (&creating, &none, "the agent is being started"),
        ] {
            assert_eq!(agent(state, last).down.as_deref(), Some(why));
        }
    }

    #[test]
    fn a_pod_without_a_node_is_not_there_yet() {
        let pod = json!({"metadata": {"name": "x", "uid": "u"}, "spec": {"containers": [{"name": "agent"}]}});
        assert_eq!(read(&serde_json::from_value(pod).unwrap()), None);
    }
}
