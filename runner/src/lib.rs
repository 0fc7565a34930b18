//! Routes exec, invoke and VM requests to a warm instance.
