//! The objects as they are to be: pure, from the text in this folder.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{DeployError, NAMESPACE};

/// The one place where the objects are written down.
const TEXT: &str = include_str!("agents.yaml");

/// From this minor version on `AppArmor` is a field; before, it is an annotation.
const APPARMOR_FIELD: u32 = 30;

/// Who reaches the agents, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// The API server, on the pods' addresses.
    Proxy,
    /// Port-forwards only.
    Loopback,
}

impl Listen {
    /// The word on the agent's command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Loopback => "loopback",
        }
    }
}

/// What of the objects is to be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The agents' namespace.
    pub namespace: String,
    /// The image.
    pub image: String,
    /// Who reaches the agents.
    pub listen: Listen,
    /// More rights, for kernels that are strict about locked memory or performance events.
    pub compat: bool,
    /// What the agents watch at all, if not everything.
    pub filter: Option<String>,
    /// The API server's minor version.
    pub minor: u32,
}

/// The objects, in the order in which they are to be applied.
#[derive(Clone, Debug)]
pub struct Objects(Vec<DynamicObject>);

impl Objects {
    /// Makes the objects.
    ///
    /// # Errors
    /// If the text is not what it should be.
    pub fn new(options: &Options) -> Result<Self, DeployError> {
        let wrong = |error: &dyn std::fmt::Display| DeployError::Objects(error.to_string());
        let objects: Vec<Value> = serde_saphyr::from_multiple(TEXT).map_err(|e| wrong(&e))?;
        let objects = objects.into_iter().map(|mut object| {
            into_namespace(&mut object, &options.namespace);
            if object["kind"] == "DaemonSet" {
                daemon_set(&mut object, options);
            }
            serde_json::from_value(object).map_err(|e| wrong(&e))
        });
        objects.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn list(&self) -> &[DynamicObject] {
        &self.0
    }

    /// The objects as `kubectl apply -f -` takes them.
    ///
    /// # Errors
    /// If they can't be written.
    pub fn to_yaml(&self) -> Result<String, DeployError> {
        let texts = self.0.iter().map(|object| {
            serde_saphyr::to_string(object).map_err(|e| DeployError::Objects(e.to_string()))
        });
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join("---\n"))
    }
}

fn into_namespace(object: &mut Value, namespace: &str) {
    if object["kind"] == "Namespace" {
        object["metadata"]["name"] = json!(namespace);
    }
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    let subjects = subjects.into_iter().flatten();
    let places = subjects.filter_map(|subject| subject.get_mut("namespace"));
    for place in places {
        rename(place, namespace);
    }
    if let Some(place) = object["metadata"].get_mut("namespace") {
        rename(place, namespace);
    }
}

fn rename(place: &mut Value, namespace: &str) {
    if *place == NAMESPACE {
        *place = json!(namespace);
    }
}

fn daemon_set(object: &mut Value, options: &Options) {
    let template = &mut object["spec"]["template"];
    if options.minor < APPARMOR_FIELD {
        let annotation = "container.apparmor.security.beta.kubernetes.io/agent";
        template["metadata"]["annotations"] = json!({ annotation: "unconfined" });
    }
    let container = &mut template["spec"]["containers"][0];
    container["image"] = json!(options.image);
    let listen = format!("--listen={}", options.listen.word());
    // A `$(NAME)` in an argument would be taken for a variable.
    let escaped = |filter: &String| format!("--filter={}", filter.replace("$(", "$$("));
    let filter = options.filter.as_ref().map(escaped);
    let args: Vec<_> = ["agent".to_owned(), listen]
        .into_iter()
        .chain(filter)
        .collect();
    container["args"] = json!(args);
    let security = &mut container["securityContext"];
    if options.minor >= APPARMOR_FIELD {
        security["appArmorProfile"] = json!({"type": "Unconfined"});
    }
    if options.compat
        && let Some(add) = security["capabilities"]["add"].as_array_mut()
    {
        add.extend([json!("SYS_RESOURCE"), json!("SYS_ADMIN")]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::AGENT;
    use super::*;

    fn options() -> Options {
        Options {
            namespace: NAMESPACE.to_owned(),
            image: "tcpscope:1".to_owned(),
            listen: Listen::Proxy,
            compat: false,
            filter: None,
            minor: 33,
        }
    }

    fn daemon_set(options: &Options) -> Value {
        let objects = Objects::new(options).unwrap();
        let set = objects.list().last().unwrap();
        assert_eq!(set.metadata.name.as_deref(), Some(AGENT));
        set.data["spec"]["template"].clone()
    }

    #[test]
    fn what_is_chosen_is_in_the_agents() {
        let options = Options {
            listen: Listen::Loopback,
            filter: Some("!dport:9090 pod:/a$(b)$/".to_owned()),
            ..options()
        };
        let template = daemon_set(&options);
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["image"], "tcpscope:1");
        let filter = "--filter=!dport:9090 pod:/a$$(b)$/";
        assert_eq!(
            container["args"],
            json!(["agent", "--listen=loopback", filter])
        );
        let port = &container["ports"][0]["containerPort"];
        assert_eq!(*port, crate::agent::PORT);
    }

    #[test]
    fn apparmor_is_said_in_the_way_that_the_server_knows() {
        let new = daemon_set(&options());
        let security = &new["spec"]["containers"][0]["securityContext"];
        assert_eq!(security["appArmorProfile"]["type"], "Unconfined");
        assert_eq!(new["metadata"]["annotations"], Value::Null);
        let old = daemon_set(&Options {
            minor: 20,
            ..options()
        });
        let security = &old["spec"]["containers"][0]["securityContext"];
        assert_eq!(security["appArmorProfile"], Value::Null);
        assert!(old["metadata"]["annotations"].is_object());
    }

    #[test]
    fn rights_are_few_and_more_only_where_asked_for() {
        let add = |options: &Options| {
            let template = daemon_set(options);
            let container = &template["spec"]["containers"][0];
            container["securityContext"]["capabilities"]["add"].clone()
        };
        let few = json!(["BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]);
        assert_eq!(add(&options()), few);
        let compat = Options {
            compat: true,
            ..options()
        };
        assert_eq!(add(&compat).as_array().unwrap().len(), 6);
    }

    #[test]
    fn another_namespace_is_another_namespace_everywhere() {
        let elsewhere = Options {
            namespace: "net-tools".to_owned(),
            ..options()
        };
        let yaml = Objects::new(&elsewhere).unwrap().to_yaml().unwrap();
        assert!(!yaml.contains("namespace: tcpscope\n"), "{yaml}");
        assert!(yaml.contains("namespace: net-tools"), "{yaml}");
        let again: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        assert_eq!(again.len(), Objects::new(&elsewhere).unwrap().list().len());
    }
}
