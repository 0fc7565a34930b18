//! The OpenAPI document.

use thaw_api_types as types;
use utoipa::OpenApi;

use crate::{
    auth::http,
    events, exec, functions, health, images,
    inside::{self, execs, files, port},
    pools, snapshots, templates, vms,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Thaw",
        description = "Runs untrusted code in microVMs thawed from warm snapshots. Errors have one shape, \
                       `ErrorBody`; `error.code` is to decide by.",
    ),
    paths(
        exec::exec,
        images::list, images::find, images::add, images::remove,
        templates::list, templates::find, templates::ensure, templates::remove,
        pools::list, pools::set,
        functions::deploy, functions::list, functions::find, functions::remove,
        functions::versions, functions::remove_version,
        functions::put_alias, functions::roll_back_alias, functions::remove_alias,
        functions::events, functions::event, functions::retry_event, functions::remove_event,
        functions::logs, functions::invoke, functions::http, functions::aws_invoke,
        functions::aws_invoke_with_response_stream,
        http::login, http::logout, http::session,
        http::list, http::create, http::revoke, http::audit,
        vms::list, vms::create, vms::find, vms::change, vms::remove, vms::exec,
        vms::pause, vms::resume, vms::stop, vms::start, vms::snapshot, vms::fork,
        snapshots::list, snapshots::find, snapshots::change, snapshots::remove,
        events::follow,
        exec::exec_socket, exec::terminal,
        files::list, files::remove, files::read, files::write, files::pack, files::unpack,
        files::make_directory, files::move_file,
        execs::start, execs::list, execs::find, execs::output, execs::signal, execs::remove,
        port::proxy, port::tunnel, inside::usage, inside::logs,
        health::healthz, health::readyz, health::metrics,
    ),
    components(schemas(types::ErrorCode, types::ExecExit, types::OutputChunk, types::ExecSocketStart, types::SocketControl, types::SocketEnd, types::TunnelMessage, types::ProgressEvent,
        types::LifecycleEvent, types::MissedEvents, types::MissedOutput,
        // Words of queries, which are not found by themselves.
        types::UploadKind, types::InvokeMode)),
    tags(
        (name = "exec", description = "Run a program in a fresh VM"),
        (name = "images", description = "Root file systems"),
        (name = "templates", description = "Frozen VMs that clones start from"),
        (name = "pools", description = "Clones that wait"),
        (name = "vms", description = "VMs that live until they are deleted"),
        (name = "functions", description = "Code that is frozen after its initialisation and given events"),
        (name = "auth", description = "Who may do what"),
        (name = "snapshots", description = "What VMs were at one moment, to make VMs of"),
        (name = "events", description = "What happens to VMs and snapshots"),
        (name = "inside", description = "What happens inside a VM"),
        (name = "server", description = "The server itself"),
    ),
)]
struct Document;

/// The description of the interface.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    // By itself an operation is called like its function, and there are many called `list`.
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            let tag = operation.tags.iter().flatten().next();
            if let (Some(tag), Some(id)) = (tag, &operation.operation_id) {
                operation.operation_id = Some(format!("{tag}_{id}"));
            }
        }
    }
    document
}
