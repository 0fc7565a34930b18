//! A guest of 1 GiB that holds much: its first restore on a node that has nothing of it.

use std::time::Duration;

use anyhow::Result;
use thaw_pool_manager::{
    BakeFunction, CodeStream, FunctionSpec, Node as _, NodeFunctions as _, TemplateFormat,
    TemplateInfo,
    image::ProgressSink,
    vmm::{
        Shape,
        protocol::{FunctionKind, HttpHooks},
    },
};

use super::{Lab, first::sample, lab::Mode};
use crate::report::{Report, progress};

/// Measures templates of both forms, in the page cache and not.
pub(crate) async fn measure(
    lab: &Lab,
    hold_mib: u32,
    samples: u32,
    report: &mut Report,
) -> Result<()> {
    for format in [TemplateFormat::Plain, TemplateFormat::Zstd] {
        progress(&format!("a guest of 1 GiB with {hold_mib} MiB, {format}"));
        let template = bake(lab, format, hold_mib).await?;
        let what = format!("first restore, 1 GiB guest with {hold_mib} MiB, {format}");
        let disk_mib = template.disk_bytes as f64 / f64::from(1 << 20);
        report.figure(format!("{what}: on disk"), disk_mib, "MiB");
        for (cold, cache) in [(false, "cache warm"), (true, "cache dropped")] {
            let costs = sample(lab, &template, Mode::Uffd, cold, samples).await?;
            costs.add_to(report, &format!("{what}, {cache}"));
        }
    }
    Ok(())
}

/// A quarter of each page is random, so that there is something to compress, as in a real guest.
fn program(hold_mib: u32) -> String {
    format!(
        "import http.server, os\n\
         held = bytearray({hold_mib} << 20)\n\
         for at in range(0, len(held), 4096):\n\
         \x20   held[at:at + 4096] = os.urandom(1024) * 4\n\
         handler = http.server.BaseHTTPRequestHandler\n\
         http.server.HTTPServer(('127.0.0.1', 8080), handler).serve_forever()\n"
    )
}

async fn bake(lab: &Lab, format: TemplateFormat, hold_mib: u32) -> Result<TemplateInfo> {
    let node = lab.open(Mode::Uffd, format, 0).await?;
    let argv = ["python3", "-c", &program(hold_mib)].map(str::to_owned);
    let request = BakeFunction {
        image: "python".to_owned(),
        shape: Shape {
            vcpus: 1,
            memory_mib: 1024,
        },
        spec: FunctionSpec {
            // Part of the template's key, which says nothing of its form.
            name: format!("holds-{hold_mib}-{format}"),
            kind: FunctionKind::Http {
                argv: argv.to_vec(),
                port: 8080,
                hooks: HttpHooks::default(),
            },
            env: Vec::new(),
            init_timeout: Duration::from_secs(600),
        },
        code_digest: "none".to_owned(),
        // A tar without anything in it.
        code: CodeStream(Box::pin(std::io::Cursor::new(vec![0; 1024]))),
    };
    let baked = node.bake_function(request, &ProgressSink::none()).await;
    node.shut_down().await;
    Ok(baked?)
}
