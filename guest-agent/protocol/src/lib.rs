//! Frames, limits and version of the conversation between host and guest.
