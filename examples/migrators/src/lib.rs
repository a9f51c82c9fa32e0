//! Three applications' migrations, and the snapshots that are made of them; see `tests`.
