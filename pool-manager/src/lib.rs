//! Every VM of one node: pools, leases, templates, bakes, snapshots.
