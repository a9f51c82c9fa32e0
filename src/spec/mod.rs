//! What a user can write: types, parsing with positions, checks of meaning.

mod model;

pub use model::*;
