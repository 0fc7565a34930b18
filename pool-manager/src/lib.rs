//! Every VM of one node: pools, leases, templates, bakes, snapshots.

mod error;
mod node;

pub use error::{AdminError, BakeError, ExecError, LeaseError};
pub use node::{
    AddImage, ExecEvent, ExecHandle, ExecInput, ExecProgram, ExecRequest, ExecTimings, ImageInfo,
    Lease, LeaseId, LeaseRequest, Node, NodeFigures, PoolInfo, PoolSettings, StartKind, TemplateId,
    TemplateInfo, TemplateSelector,
};
pub use thaw_image as image;
pub use thaw_vmm as vmm;
