//! `thaw vm forward`

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use serde_json::json;
use thaw_api_types::client::{Client, ClientError, TunnelInput, TunnelOutput};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{arguments::VmForward, exit::Exit, output, server::connect};

/// Connections at once; the next one waits to be taken.
const CONNECTIONS: usize = 64;

/// How much is read from a connection at once.
const PIECE_BYTES: usize = 32 * 1024;

pub(super) async fn run(wanted: VmForward) -> Result<Exit> {
    let client = connect(&wanted.connection)?;
    // What can't work is told before anybody connects.
    let vm = client.vm(&wanted.vm).await?;
    let (listen, port) = (wanted.forward.listen, wanted.forward.port);
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr()?;
    if wanted.connection.json {
        output::line(&json!({ "listen": address, "vm": vm.id, "port": port }).to_string())?;
    } else {
        let name = vm.name.as_deref().unwrap_or(&vm.id);
        output::line(&format!("{address} leads to port {port} of {name}"))?;
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => {
                let (stream, _) = accepted.context("taking a connection")?;
                let (client, vm) = (client.clone(), vm.id.clone());
                connections.spawn(async move { serve(&client, &vm, port, stream).await });
            }
            Some(ended) = connections.join_next() => {
                if let Ok(Err(error)) = ended {
                    output::note(&format!("thaw: {error}"));
                }
            }
            _ = interrupt.recv() => return Ok(Exit::SUCCESS),
            _ = terminate.recv() => return Ok(Exit::SUCCESS),
        }
    }
}

/// Until both halves of a connection have ended, or one side leaves, which is no failure.
async fn serve(
    client: &Client,
    vm: &str,
    port: u16,
    mut stream: TcpStream,
) -> Result<(), ClientError> {
    let _ = stream.set_nodelay(true);
    let (mut input, mut output) = client.tunnel(vm, port).await?;
    let (mut from, mut to) = stream.split();
    match tokio::try_join!(up(&mut from, &mut input), down(&mut output, &mut to)) {
        Ok(_) | Err(ClientError::CutOff) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn up(from: &mut ReadHalf<'_>, input: &mut TunnelInput) -> Result<(), ClientError> {
    let mut piece = BytesMut::new();
    loop {
        piece.reserve(PIECE_BYTES);
        match from.read_buf(&mut piece).await {
            Ok(0) => return input.end().await,
            Ok(_) => input.send(piece.split().freeze()).await?,
            Err(_) => return Err(ClientError::CutOff),
        }
    }
}

async fn down(output: &mut TunnelOutput, to: &mut WriteHalf<'_>) -> Result<(), ClientError> {
    while let Some(bytes) = output.next().await? {
        if to.write_all(&bytes).await.is_err() {
            return Err(ClientError::CutOff);
        }
    }
    // It may have closed by itself.
    let _ = to.shutdown().await;
    Ok(())
}
