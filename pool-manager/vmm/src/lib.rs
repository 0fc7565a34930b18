//! One microVM, one life: engines, jail, guest connection.
