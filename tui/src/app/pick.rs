//! Namespaces, pods and nodes: picking one sets its term of the filter.

use std::collections::BTreeMap;

use super::{App, Asking, Message, Prompt};
use crate::picker::{Choice, Picker};
use collector::filter::{FIELDS, Field, Filter, FilterError, Key};

/// The field of a key; every key has one.
fn field(key: Key) -> &'static Field {
    FIELDS.iter().find(|f| f.key == key).unwrap_or(&FIELDS[0])
}

/// What a field is called in a sentence, and in one about many.
pub(crate) fn words(key: Key) -> (&'static str, &'static str) {
    match key {
        Key::Namespace => ("namespace", "namespaces"),
        Key::Pod => ("pod", "pods"),
        Key::Node => ("node", "nodes"),
        other => (field(other).name, field(other).name),
    }
}

/// The term for one namespace.
pub(super) fn term_of_namespace(name: &str) -> Option<Filter> {
    Filter::exactly(field(Key::Namespace).name, name).ok()
}

impl App {
    /// Opens the list of what there is of a field, unless there is nothing.
    pub(super) fn pick(&mut self, key: Key) {
        let choices = self.choices(key);
        if choices.is_empty() {
            let (_, many) = words(key);
            let text = format!("no {many} on this host: nothing that was seen here is in one");
            self.message = Some(Message::note(text));
            return;
        }
        let picker = Picker::new(choices);
        self.prompt = Some(Prompt::new("", Asking::Pick { key, picker }));
    }

    /// What there is of a field among the workloads.
    fn choices(&self, key: Key) -> Vec<Choice> {
        let mut events: BTreeMap<(Option<&str>, &str), u64> = BTreeMap::new();
        for (_, workload) in self.store.workloads().iter() {
            let origin = &workload.origin;
            let name = match key {
                Key::Namespace => origin.namespace.as_deref().map(|name| (None, name)),
                Key::Pod => {
                    let namespace = origin.namespace.as_deref();
                    origin.pod.as_deref().map(|name| (namespace, name))
                }
                Key::Node => Some((None, &*origin.node)),
                _ => None,
            };
            if let Some(name) = name {
                *events.entry(name).or_default() += workload.counts.total();
            }
        }
        let choice = |((namespace, name), events): ((Option<&str>, &str), u64)| Choice {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            events,
        };
        events.into_iter().map(choice).collect()
    }

    /// One was picked. A pod is one in its namespace.
    pub(super) fn picked(&mut self, key: Key, picker: &Picker) {
        let Some(choice) = picker.picked() else {
            return;
        };
        let exactly = |key, name: &str| Filter::exactly(field(key).name, name);
        let mut terms = Vec::new();
        if let Some(namespace) = &choice.namespace {
            terms.push((Key::Namespace, exactly(Key::Namespace, namespace)));
        }
        terms.push((key, exactly(key, &choice.name)));
        for (key, term) in terms {
            if let Ok(term) = term {
                self.set_term(key, term);
            }
        }
        self.remember_filter();
    }

    /// Puts a term of the filter in the place of those of the same field. With another namespace
    /// the pod goes: it was one of the namespace before.
    pub(super) fn set_term(&mut self, key: Key, term: Filter) {
        let mut filter = self.sieve.filter.clone().without(key);
        if key == Key::Namespace {
            filter = filter.without(Key::Pod);
        }
        self.set_filter(filter.and(term));
    }

    /// The term of a field that somebody typed: globs and commas are welcome.
    pub(super) fn type_term(&mut self, key: Key, value: &str) -> Result<(), FilterError> {
        let term = Filter::term(field(key).name, &[value])?;
        self.set_term(key, term);
        self.remember_filter();
        Ok(())
    }

    /// All namespaces.
    pub(super) fn all_namespaces(&mut self) {
        let filter = self.sieve.filter.clone().without(Key::Namespace);
        self.set_filter(filter);
    }
}
