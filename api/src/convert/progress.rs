//! Progress in words.

use thaw_api_types::ProgressEvent;
use thaw_runner::node::image::Progress;

pub(crate) fn progress(progress: &Progress) -> ProgressEvent {
    match progress {
        Progress::Queued => plain("waiting for its turn"),
        Progress::Resolving { source } => plain(format!("resolving {source}")),
        Progress::Pulling {
            layer,
            layers,
            bytes_done,
            bytes_total,
        } => ProgressEvent {
            message: format!("pulling layer {layer} of {layers}"),
            done_bytes: Some(*bytes_done),
            total_bytes: *bytes_total,
        },
        Progress::Unpacking { layer, layers } => {
            plain(format!("unpacking layer {layer} of {layers}"))
        }
        Progress::InstallingPackages { line } => plain(format!("installing packages: {line}")),
        Progress::Building { line } => plain(format!("building: {line}")),
        Progress::WritingRoot {
            bytes_done,
            bytes_total,
        } => ProgressEvent {
            message: "writing the root file system".to_owned(),
            done_bytes: Some(*bytes_done),
            total_bytes: Some(*bytes_total),
        },
        Progress::Storing => plain("storing the image"),
        Progress::Using { step } => plain(*step),
    }
}

fn plain(message: impl Into<String>) -> ProgressEvent {
    ProgressEvent {
        message: message.into(),
        done_bytes: None,
        total_bytes: None,
    }
}
