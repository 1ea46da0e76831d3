//! One `Origin` per workload, shared by all its events.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Workload;
use crate::model::Origin;

/// Above this many names, those that nothing uses any more are dropped.
const SWEEP_AT: usize = 1024;

/// Makes origins of one node, the same one for the same name.
#[derive(Debug)]
pub struct Origins {
    nameless: Arc<Origin>,
    named: FxHashMap<Arc<str>, Arc<Origin>>,
    sweep_at: usize,
}

impl Origins {
    /// Origins of this node.
    #[must_use]
    pub fn new(node: Arc<str>) -> Self {
        let nameless = Origin {
            node,
            ..Origin::default()
        };
        Self {
            nameless: Arc::new(nameless),
            named: FxHashMap::default(),
            sweep_at: SWEEP_AT,
        }
    }

    /// Of the node, and nothing more is known.
    #[must_use]
    pub fn nameless(&self) -> Arc<Origin> {
        Arc::clone(&self.nameless)
    }

    /// Of this workload, named as [`Workload::short_name`] does.
    pub fn of(&mut self, workload: &Workload) -> Arc<Origin> {
        let Some(name) = workload.short_name() else {
            return self.nameless();
        };
        if let Some(origin) = self.named.get(name) {
            return Arc::clone(origin);
        }
        if self.named.len() >= self.sweep_at {
            self.named.retain(|_, origin| Arc::strong_count(origin) > 1);
            self.sweep_at = SWEEP_AT.max(2 * self.named.len());
        }
        let name: Arc<str> = name.into();
        let origin = Arc::new(Origin {
            node: Arc::clone(&self.nameless.node),
            container: Some(Arc::clone(&name)),
            ..Origin::default()
        });
        self.named.insert(name, Arc::clone(&origin));
        origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> Workload {
        Workload {
            unit: Some(name.into()),
            ..Workload::default()
        }
    }

    #[test]
    fn the_same_name_is_the_same_origin() {
        let mut origins = Origins::new("host1".into());
        let nginx = origins.of(&unit("nginx.service"));
        assert_eq!(nginx.container.as_deref(), Some("nginx.service"));
        assert_eq!(&*nginx.node, "host1");
        assert!(Arc::ptr_eq(&nginx, &origins.of(&unit("nginx.service"))));
        assert!(Arc::ptr_eq(
            &origins.of(&Workload::default()),
            &origins.nameless()
        ));
    }

    #[test]
    fn what_is_unused_is_dropped() {
        let mut origins = Origins::new("host1".into());
        let kept = origins.of(&unit("kept.service"));
        for i in 0..10 * SWEEP_AT {
            origins.of(&unit(&format!("run-{i}.scope")));
        }
        assert!(origins.named.len() <= SWEEP_AT);
        assert!(Arc::ptr_eq(&kept, &origins.of(&unit("kept.service"))));
    }
}
