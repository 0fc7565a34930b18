//! The HTTP service of Thaw.
