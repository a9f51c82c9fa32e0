//! What stands in the parentheses of the attribute.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Error, Expr, Ident, Lit, LitStr, Path, Result, Token};

use crate::limit;

const KNOWN: &str = "`snapshot`, `timeout`, `herd`, `flavor`, `worker_threads` and `crate`";

/// The options, each with what has to be marked when it doesn't go with the function.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) snapshot: Option<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) herd: Option<Path>,
    pub(crate) flavor: Option<(Span, Flavor)>,
    pub(crate) worker_threads: Option<(Span, usize)>,
    pub(crate) krate: Option<Path>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    CurrentThread,
    MultiThread,
}

/// `name = value`.
struct Entry {
    name: Ident,
    value: Expr,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Lit) {
            let wrong: Lit = input.parse()?;
            return Err(Error::new(
                wrong.span(),
                format!("write `NAME = VALUE`: the options are {KNOWN}"),
            ));
        }
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            let message = match is_known(&name) {
                true => format!("`{name}` has no value: write `{name} = …`"),
                false => unknown(&name),
            };
            return Err(Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        let value = input.parse()?;
        Ok(Self { name, value })
    }
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let entries = Punctuated::<Entry, Token![,]>::parse_terminated.parse2(tokens)?;
        let mut options = Self::default();
        let mut seen: Vec<&Ident> = Vec::new();
        let mut faults = Vec::new();
        for Entry { name, value } in &entries {
            if seen.contains(&name) {
                faults.push(Error::new(
                    name.span(),
                    format!("`{name}` is written twice"),
                ));
            }
            seen.push(name);
            faults.extend(options.set(name, value).err());
        }
        match (options.flavor, options.worker_threads) {
            (Some((_, Flavor::MultiThread)), _) | (_, None) => {}
            (_, Some((span, _))) => faults.push(Error::new(
                span,
                "`worker_threads` needs `flavor = \"multi_thread\"`",
            )),
        }
        all(faults)?;
        Ok(options)
    }

    fn set(&mut self, name: &Ident, value: &Expr) -> Result<()> {
        match name.to_string().as_str() {
            "snapshot" => {
                let text = text(value, "the name of a snapshot, as in `snapshot = \"shop\"`")?;
                if text.value().trim().is_empty() {
                    return Err(Error::new(text.span(), "`snapshot` is empty: name one"));
                }
                self.snapshot = Some(text.value());
            }
            "timeout" => {
                let advice = "a time limit above zero, as in `timeout = \"30s\"` or `\"1m30s\"`";
                let text = text(value, advice)?;
                let limit = limit::parse(&text.value());
                let wrong = || Error::new(text.span(), format!("`timeout` must be {advice}"));
                self.timeout = Some(limit.ok_or_else(wrong)?);
            }
            "herd" => {
                let advice = "the path of a function, as in `herd = my_herd`";
                self.herd = Some(path(value, "herd", advice)?);
            }
            "crate" => {
                let advice = "the path of the crate, as in `crate = other::cowherd`";
                self.krate = Some(path(value, "crate", advice)?);
            }
            "flavor" => {
                let advice = "`\"multi_thread\"` or `\"current_thread\"`";
                let text = text(value, advice)?;
                let flavor = match text.value().as_str() {
                    "multi_thread" => Flavor::MultiThread,
                    "current_thread" => Flavor::CurrentThread,
                    _ => {
                        return Err(Error::new(
                            text.span(),
                            format!("`flavor` must be {advice}"),
                        ));
                    }
                };
                self.flavor = Some((name.span(), flavor));
            }
            "worker_threads" => {
                let number = match value {
                    Expr::Lit(lit) => match &lit.lit {
                        Lit::Int(number) => number.base10_parse().ok().filter(|n| *n > 0),
                        _ => None,
                    },
                    _ => None,
                };
                let wrong = || {
                    Error::new(
                        value.span(),
                        "`worker_threads` must be a number of at least 1",
                    )
                };
                self.worker_threads = Some((name.span(), number.ok_or_else(wrong)?));
            }
            _ => return Err(Error::new(name.span(), unknown(name))),
        }
        Ok(())
    }
}

fn is_known(name: &Ident) -> bool {
    KNOWN.contains(&format!("`{name}`"))
}

fn unknown(name: &Ident) -> String {
    format!("unknown option `{name}`; there are {KNOWN}")
}

fn text<'v>(value: &'v Expr, what: &str) -> Result<&'v LitStr> {
    match value {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Ok(text),
            other => Err(Error::new(
                other.span(),
                format!("this must be a text: {what}"),
            )),
        },
        other => Err(Error::new(
            other.span(),
            format!("this must be a text: {what}"),
        )),
    }
}

fn path(value: &Expr, name: &str, advice: &str) -> Result<Path> {
    match value {
        Expr::Path(path) if path.qself.is_none() => Ok(path.path.clone()),
        other => Err(Error::new(
            other.span(),
            format!("`{name}` must be {advice}"),
        )),
    }
}

/// All errors as one, if there are any.
pub(crate) fn all(faults: Vec<Error>) -> Result<()> {
    let combined = faults.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    });
    combined.map_or(Ok(()), Err)
}
