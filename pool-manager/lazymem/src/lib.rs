//! Template memory that loads itself through userfaultfd.
