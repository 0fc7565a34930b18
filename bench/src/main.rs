//! The load and latency bench.

fn main() {}
