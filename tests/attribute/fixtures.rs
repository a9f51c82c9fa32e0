//! What tests get, and when it goes.
