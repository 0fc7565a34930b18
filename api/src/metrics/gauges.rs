//! What the node is and does at the moment of a scrape.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use thaw_runner::node::{NodeFigures, PoolInfo};

/// A pool's gauge, and where its value comes from.
type PoolGauge = (IntGaugeVec, fn(&PoolInfo) -> u32);

/// Figures that are set anew at each scrape.
#[derive(Debug)]
pub(super) struct Gauges {
    info: IntGaugeVec,
    vmms: IntGauge,
    vms: IntGauge,
    restores: IntGauge,
    restore_failures: IntGauge,
    copies: IntGaugeVec,
    crashes: IntGauge,
    page_server_restarts: IntGauge,
    pools: Vec<PoolGauge>,
}

impl Gauges {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let single = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let labelled = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let pool = |name: &str, help: &str, value: fn(&PoolInfo) -> u32| {
            Ok::<_, prometheus::Error>((labelled(name, help, &["template"])?, value))
        };
        Ok(Self {
            info: labelled(
                "thaw_node_info",
                "Always 1; the labels say what the node runs VMs with.",
                &["engine", "memory", "memory_reason", "version"],
            )?,
            vmms: single("thaw_vmm_processes", "VMM processes now.")?,
            vms: single("thaw_vms", "Long-lived VMs now.")?,
            restores: single("thaw_restores", "Restores that succeeded since the start.")?,
            restore_failures: single(
                "thaw_restore_failures",
                "Restores that failed since the start.",
            )?,
            copies: labelled(
                "thaw_copies",
                "Restores of snapshots and forks that succeeded since the start, by whether a shell waited for them.",
                &["shell"],
            )?,
            crashes: single(
                "thaw_vmm_crashes",
                "VMMs that ended without being asked to since the start.",
            )?,
            page_server_restarts: single(
                "thaw_page_server_restarts",
                "Page servers that were lost and replaced since the start.",
            )?,
            pools: vec![
                pool("thaw_pool_min", "Parked clones that are kept.", |pool| {
                    pool.settings.min
                })?,
                pool("thaw_pool_max", "Parked clones at most.", |pool| {
                    pool.settings.max
                })?,
                pool(
                    "thaw_pool_target",
                    "Parked clones that are wanted now.",
                    |pool| pool.target,
                )?,
                pool("thaw_pool_shells", "Shells that wait.", |pool| pool.shells)?,
                pool(
                    "thaw_pool_starting",
                    "Clones being restored or proven.",
                    |pool| pool.starting,
                )?,
                pool("thaw_pool_parked", "Parked clones.", |pool| pool.parked)?,
                pool("thaw_pool_leased", "Leased clones.", |pool| pool.leased)?,
                pool("thaw_pool_waiting", "Callers that wait.", |pool| {
                    pool.waiting
                })?,
                pool(
                    "thaw_pool_failures",
                    "Restores that failed in a row.",
                    |pool| pool.failures,
                )?,
            ],
        })
    }

    pub(super) fn set(&self, figures: &NodeFigures, pools: &[PoolInfo], vms: usize) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.info.reset();
        let labels = [
            figures.engine.as_str(),
            figures.memory_mode.as_str(),
            figures.memory_cause.as_str(),
            env!("CARGO_PKG_VERSION"),
        ];
        self.info.with_label_values(&labels).set(1);
        self.vmms.set(i64::from(figures.vmms));
        self.vms.set(count(vms as u64));
        self.restores.set(count(figures.restores));
        self.restore_failures.set(count(figures.restore_failures));
        for (shell, copies) in [
            ("waiting", figures.copies_into_waiting),
            ("spawned", figures.copies_into_spawned),
        ] {
            self.copies.with_label_values(&[shell]).set(count(copies));
        }
        self.crashes.set(count(figures.crashes));
        self.page_server_restarts
            .set(count(figures.page_server_restarts));
        for (gauge, value) in &self.pools {
            // A pool that is gone leaves no line behind.
            gauge.reset();
            for pool in pools {
                let template = pool.template.as_str();
                gauge
                    .with_label_values(&[template])
                    .set(i64::from(value(pool)));
            }
        }
    }
}
