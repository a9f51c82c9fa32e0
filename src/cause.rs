//! Errors with their causes.

/// An error with all its causes, the way messages show it: `can't do this: because of that`.
///
/// ```
/// let error = std::io::Error::other("the disk is full");
/// assert_eq!(cowherd::cause::in_words(&error), "the disk is full");
/// ```
pub fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
