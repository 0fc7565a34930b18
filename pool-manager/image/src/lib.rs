//! Root filesystems from Docker, registries, archives and Debian packages.
