//! How warm pools are kept. Versions that differ in nothing that is frozen share a template, and so a pool.

use std::{collections::BTreeMap, time::Duration};

use thaw_pool_manager::{PoolSettings, TemplateId};

use super::VersionSpec;

/// What one version asks of the pool of its template.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    pub(super) template: TemplateId,
    /// It is the newest one, or an alias leads to it.
    pub(super) is_live: bool,
    pub(super) spec: &'a VersionSpec,
}

/// The bounds of each pool: the largest of what the live versions of its template ask for, since any of its
/// clones serves any of them. Where none is live nothing is kept warm.
pub(super) fn combine<'a>(
    wishes: impl IntoIterator<Item = Wish<'a>>,
) -> BTreeMap<TemplateId, PoolSettings> {
    let mut pools: BTreeMap<TemplateId, Combined> = BTreeMap::new();
    for wish in wishes {
        pools.entry(wish.template.clone()).or_default().add(&wish);
    }
    let settings = |(template, combined): (TemplateId, Combined)| (template, combined.settings());
    pools.into_iter().map(settings).collect()
}

#[derive(Debug, Default)]
struct Combined {
    is_live: bool,
    min: u32,
    max: u32,
    idle: Duration,
}

impl Combined {
    fn add(&mut self, wish: &Wish<'_>) {
        if self.is_live && !wish.is_live {
            return;
        }
        if wish.is_live && !self.is_live {
            *self = Self {
                is_live: true,
                ..Self::default()
            };
        }
        let Wish { is_live, spec, .. } = wish;
        if *is_live {
            self.min = self.min.max(spec.min_warm);
        }
        self.max = self.max.max(spec.max_warm);
        self.idle = self.idle.max(spec.idle);
    }

    fn settings(self) -> PoolSettings {
        PoolSettings {
            min: self.min,
            max: self.max,
            idle: self.idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use thaw_pool_manager::vmm::{Shape, protocol::FunctionKind};

    use super::*;

    fn spec(min_warm: u32, max_warm: u32, idle_s: u64) -> VersionSpec {
        VersionSpec {
            image: "tiny".into(),
            shape: Shape {
                vcpus: 1,
                memory_mib: 128,
            },
            kind: FunctionKind::Python {
                handler: "app.handle".into(),
            },
            env: Vec::new(),
            init_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            concurrency: 1,
            queue: 1,
            min_warm,
            max_warm,
            idle: Duration::from_secs(idle_s),
            reuse: 1,
            network_wanted: false,
        }
    }

    fn of(versions: &[(&str, bool, VersionSpec)]) -> Vec<(String, u32, u32, u64)> {
        let wish = |(template, is_live, spec): (&str, _, _)| Wish {
            template: TemplateId::new(template),
            is_live,
            spec,
        };
        let wishes = versions
            .iter()
            .map(|(t, live, spec)| wish((*t, *live, spec)));
        let told = |(id, settings): (TemplateId, PoolSettings)| {
            let idle = settings.idle.as_secs();
            (id.to_string(), settings.min, settings.max, idle)
        };
        combine(wishes).into_iter().map(told).collect()
    }

    #[test]
    fn a_version_that_is_not_live_does_not_count_beside_one_that_is() {
        let (live, old) = (spec(2, 4, 60), spec(1, 9, 300));
        let expected = [("a".to_owned(), 2, 4, 60)];
        for order in [
            [("a", true, live.clone()), ("a", false, old.clone())],
            [("a", false, old), ("a", true, live)],
        ] {
            assert_eq!(of(&order), expected);
        }
    }

    #[test]
    fn live_versions_share_a_pool_that_is_enough_for_the_one_that_wants_most() {
        let versions = [
            ("a", true, spec(1, 8, 60)),
            ("a", true, spec(3, 4, 10)),
            ("b", false, spec(5, 6, 7)),
        ];
        let expected = [("a".to_owned(), 3, 8, 60), ("b".to_owned(), 0, 6, 7)];
        assert_eq!(of(&versions), expected);
    }
}
