//! Latency of one exec: from a shell, from a parked clone, in a VM that is there. Paced, so that the
//! pool is full before each sample.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    plan::Plan,
    report::{Report, Row, progress},
    stats::Samples,
};

/// The three things that are run, and what they print.
fn programs() -> [(&'static str, Value, &'static str); 3] {
    let code = "print(6*7)";
    [
        ("/bin/true", json!({ "argv": ["/bin/true"] }), ""),
        (
            "python3 -c 'print(6*7)'",
            json!({ "argv": ["python3", "-c", code] }),
            "42\n",
        ),
        (
            "code run print(6*7)",
            json!({ "language": "python", "code": code }),
            "42\n",
        ),
    ]
}

/// Measures every program in every kind of start.
pub(crate) async fn measure(
    plan: &Plan,
    client: &Client,
    template: &str,
    report: &mut Report,
) -> Result<()> {
    for (name, what, prints) in programs() {
        let run = Run {
            plan,
            client,
            template,
            what,
            prints,
        };
        progress(name);
        let row = run
            .restored(&format!("{name}, restored from a shell"))
            .await?;
        report.rows.push(row);
        let row = run.parked(&format!("{name}, parked VM")).await?;
        report.rows.push(row);
        let row = run
            .second_exec(&format!("{name}, second exec in a VM"))
            .await?;
        report.rows.push(row);
    }
    Ok(())
}

struct Run<'a> {
    plan: &'a Plan,
    client: &'a Client,
    template: &'a str,
    what: Value,
    prints: &'static str,
}

impl Run<'_> {
    async fn restored(&self, name: &str) -> Result<Row> {
        self.client.set_pool(&self.plan.image, 0, 0).await?;
        // A pool that parks nothing keeps shells only while it is in use.
        self.fresh().await?;
        let mut rows = Stages::new()?;
        for _ in 0..self.plan.samples {
            self.client
                .wait_for_pool(self.template, |pool| {
                    pool.parked == 0 && pool.leased == 0 && pool.shells > 0
                })
                .await?;
            let answer = self.fresh().await?;
            ensure!(
                answer.exec.start == "restored",
                "started {}",
                answer.exec.start
            );
            rows.add(&answer);
        }
        Ok(rows.row(name))
    }

    async fn parked(&self, name: &str) -> Result<Row> {
        self.client.set_pool(&self.plan.image, 2, 2).await?;
        let mut rows = Stages::new()?;
        for _ in 0..self.plan.samples {
            self.client
                .wait_for_pool(self.template, |pool| pool.parked >= 2 && pool.leased == 0)
                .await?;
            let answer = self.fresh().await?;
            ensure!(
                answer.exec.start == "parked",
                "started {}",
                answer.exec.start
            );
            rows.add(&answer);
        }
        Ok(rows.row(name))
    }

    async fn second_exec(&self, name: &str) -> Result<Row> {
        let vm = self.client.create_vm(&self.plan.image).await?;
        let measured = self.repeat_in(&vm).await;
        self.client.delete_vm(&vm).await?;
        Ok(measured?.row(name))
    }

    async fn repeat_in(&self, vm: &str) -> Result<Stages> {
        // The first exec in a VM finds cold paths; it is not what is measured here.
        self.check(self.client.exec_in(vm, self.what.clone()).await?)?;
        self.client
            .wait_for_pool(self.template, |pool| pool.parked >= 2)
            .await?;
        let mut rows = Stages::new()?;
        for _ in 0..self.plan.samples {
            rows.add(&self.check(self.client.exec_in(vm, self.what.clone()).await?)?);
        }
        Ok(rows)
    }

    async fn fresh(&self) -> Result<Answer> {
        self.check(
            self.client
                .exec(&self.plan.image, self.what.clone())
                .await?,
        )
    }

    fn check(&self, answer: Answer) -> Result<Answer> {
        ensure!(
            answer.exec.exit_code == Some(0) && answer.exec.stdout == self.prints,
            "an exec answered {:?}",
            answer.exec
        );
        Ok(answer)
    }
}

/// The exchange and its stages.
struct Stages {
    wall: Samples,
    stages: Vec<(&'static str, Samples)>,
}

const STAGES: [&str; 9] = [
    "daemon",
    "queue",
    "restore",
    "resume",
    "connect",
    "exec",
    "exec: wake",
    "exec: spawn",
    "exec: run",
];

impl Stages {
    fn new() -> Result<Self> {
        let mut stages = Vec::new();
        for stage in STAGES {
            stages.push((stage, Samples::new()?));
        }
        Ok(Self {
            wall: Samples::new()?,
            stages,
        })
    }

    fn add(&mut self, answer: &Answer) {
        self.wall.add(answer.wall);
        let (timings, guest) = (answer.exec.timings_us, answer.exec.guest_us);
        let values = [
            timings.daemon,
            timings.queue,
            timings.restore,
            timings.resume,
            timings.connect,
            timings.exec,
            guest.wake,
            guest.spawn,
            guest.run,
        ];
        for ((_, samples), value) in self.stages.iter_mut().zip(values) {
            samples.add_us(value);
        }
    }

    fn row(self, what: &str) -> Row {
        let stages = self.stages.into_iter();
        Row {
            what: what.to_owned(),
            wall: self.wall.latency(),
            stages: stages
                .map(|(stage, samples)| (stage.to_owned(), samples.latency()))
                .collect(),
        }
    }
}
