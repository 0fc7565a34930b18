//! `thaw pool`

use anyhow::Result;
use thaw_api_types::{PoolInfo, PoolList, SetPoolRequest};

use crate::{arguments::Pool, exit::Exit, output, server::connect};

pub(super) async fn run(pool: Pool) -> Result<Exit> {
    match pool {
        Pool::Ls { connection } => {
            let list = connect(&connection)?.pools().await?;
            show(&list, connection.json)?;
        }
        Pool::Set {
            image,
            min,
            max,
            idle,
            memory,
            vcpus,
            connection,
        } => {
            let request = SetPoolRequest {
                image: Some(image),
                template: None,
                vcpus,
                memory_mib: memory,
                min,
                max,
                idle_ms: idle.saturating_mul(1000),
            };
            let pool = connect(&connection)?.set_pool(&request).await?;
            show(&PoolList { pools: vec![pool] }, connection.json)?;
        }
    }
    Ok(Exit::SUCCESS)
}

fn show(list: &PoolList, json: bool) -> Result<()> {
    if json {
        return output::json(list);
    }
    let rows: Vec<_> = list.pools.iter().map(row).collect();
    let head = [
        "TEMPLATE",
        "MIN",
        "MAX",
        "TARGET",
        "PARKED",
        "STARTING",
        "SHELLS",
        "LEASED",
        "WAITING",
        "LAST ERROR",
    ];
    output::table(&head, &rows)
}

fn row(pool: &PoolInfo) -> Vec<String> {
    let counts = [
        pool.min,
        pool.max,
        pool.target,
        pool.parked,
        pool.starting,
        pool.shells,
        pool.leased,
        pool.waiting,
    ];
    let mut row = vec![pool.template.clone()];
    row.extend(counts.map(|count| count.to_string()));
    row.push(pool.last_error.clone().unwrap_or_default());
    row
}
