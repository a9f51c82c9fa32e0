//! `${VARIABLE}` in values, in the braced forms of
//! [Compose](https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md).
//!
//! | written | gives |
//! |---|---|
//! | `${NAME}` | the value; an unset variable is a problem |
//! | `${NAME:-text}`, `${NAME-text}` | `text` when it is unset or empty; when it is unset |
//! | `${NAME:+text}`, `${NAME+text}` | `text` when it is set and not empty; when it is set |
//! | `${NAME:?text}`, `${NAME?text}` | a problem that says `text` when it is unset or empty; when it is unset |
//! | `$$` | one `$` |
//!
//! `text` may itself hold such forms. Any other `$` stays as it is, so `"$user", public` needs no escape.
//! Commands aren't interpolated at all: there every `$` is the shell's. Keys neither.

use std::borrow::Cow;

use super::problem::quoted;

/// An expression that gives no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// The expression as it stands in the text.
    pub(super) expression: String,
    /// Before it, the text has this many that read the same.
    pub(super) nth: usize,
    /// What is wrong with it.
    pub(super) message: String,
}

/// Nesting of defaults that is followed.
const DEPTH: usize = 16;

/// How many expressions of one text are reported.
const REPORTED: usize = 20;

/// Puts the values of variables into a text.
///
/// # Errors
/// Every expression without a value.
pub(super) fn interpolate<'t>(
    text: &'t str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'t, str>, Vec<Unresolved>> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut unresolved = Vec::new();
    let result = expand(text, &mut |expression, at| {
        Ok(value_of(expression, variable, 0).unwrap_or_else(|message| {
            if unresolved.len() < REPORTED {
                unresolved.push(Unresolved {
                    expression: expression.to_owned(),
                    nth: text[..at].matches(expression).count(),
                    message,
                });
            }
            String::new()
        }))
    });
    match result {
        Ok(value) if unresolved.is_empty() => Ok(Cow::Owned(value)),
        _ => Err(unresolved),
    }
}

/// Replaces `$$` and every `${…}`; `value` gets the expression and the byte where it stands.
fn expand(
    text: &str,
    value: &mut dyn FnMut(&str, usize) -> Result<String, String>,
) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        result.push_str(&rest[..dollar]);
        let at = &rest[dollar..];
        let length = if at.starts_with("$$") {
            result.push('$');
            2
        } else if at.starts_with("${") {
            let length = closed(at).unwrap_or(at.len());
            result.push_str(&value(&at[..length], text.len() - at.len())?);
            length
        } else {
            result.push('$');
            1
        };
        rest = &at[length..];
    }
    result.push_str(rest);
    Ok(result)
}

/// How long the expression is with which `text` begins, counting braces of expressions within it.
fn closed(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut rest = text;
    loop {
        let at = rest.find(['$', '}'])?;
        rest = &rest[at..];
        let taken = if rest.starts_with("${") {
            depth += 1;
            2
        } else if rest.starts_with("$$") {
            2
        } else if rest.starts_with('}') {
            depth -= 1;
            1
        } else {
            1
        };
        rest = &rest[taken..];
        if depth == 0 {
            return Some(text.len() - rest.len());
        }
    }
}

/// The value of one `${…}`.
fn value_of(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
) -> Result<String, String> {
    let Some(inner) = text
        .strip_prefix("${")
        .and_then(|text| text.strip_suffix('}'))
    else {
        return Err("`${` isn't closed by `}`; write `$${` for the text itself".into());
    };
    if closed(text) != Some(text.len()) {
        return Err("`${` isn't closed by `}`; write `$${` for the text itself".into());
    }
    if depth == DEPTH {
        return Err(format!("defaults are nested more than {DEPTH} levels deep"));
    }
    let end = inner
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(inner.len());
    let (name, operation) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "{} names no variable; write `${{NAME}}`, or `$${{` for the text itself",
            quoted(text)
        ));
    }
    let value = variable(name);
    let (colon, operation) = match operation.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, operation),
    };
    let set = value
        .as_ref()
        .is_some_and(|value| !(colon && value.is_empty()));
    let nested = |text: &str| expand(text, &mut |inner, _| value_of(inner, variable, depth + 1));
    let mut characters = operation.chars();
    let operator = characters.next();
    let argument = characters.as_str();
    match operator {
        None if !colon => value.ok_or_else(|| {
            format!(
                "variable {} isn't set; set it, or give a default: `${{{name}:-default}}`",
                quoted(name)
            )
        }),
        Some('-' | '?') if set => Ok(value.unwrap_or_default()),
        Some('+') if !set => Ok(String::new()),
        Some('-' | '+') => nested(argument),
        Some('?') => {
            let state = match (value.is_some(), argument.is_empty()) {
                (true, true) => "is empty, and needs a value",
                (false, true) => "isn't set, and needs a value",
                (true, false) => "is empty: ",
                (false, false) => "isn't set: ",
            };
            let reason = nested(argument)?;
            let reason: String = reason.chars().take(200).map(printable).collect();
            Err(format!("variable {} {state}{reason}", quoted(name)))
        }
        _ => Err(format!(
            "can't read {}; the forms are `${{NAME}}`, `${{NAME:-default}}`, `${{NAME:+text}}` and `${{NAME:?message}}`",
            quoted(text)
        )),
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
