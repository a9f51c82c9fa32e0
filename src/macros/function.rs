//! The function that becomes a test.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{Attribute, Error, FnArg, ItemFn, PatType, Result, ReturnType, Safety, Type};

use crate::options::{Options, all};

/// One argument: what is made for it, and how it is passed.
pub(crate) struct Argument {
    /// The fixture's type.
    pub(crate) fixture: Type,
    pub(crate) passed: Passed,
}

pub(crate) enum Passed {
    Owned,
    Lent,
    LentMutably,
}

/// Reads the item that the attribute stands on.
pub(crate) fn parse(item: TokenStream) -> Result<ItemFn> {
    syn::parse2(item.clone()).map_err(|error| {
        let is_function = item.into_iter().any(|token| token.to_string() == "fn");
        match is_function {
            true => error,
            false => Error::new(Span::call_site(), "`#[cowherd::test]` goes on a function"),
        }
    })
}

/// The arguments, if the function can be a test with these options.
pub(crate) fn check(function: &ItemFn, options: &Options) -> Result<Vec<Argument>> {
    let signature = &function.sig;
    let mut faults = Vec::new();
    let mut fault =
        |what: &dyn ToTokens, message: &str| faults.push(Error::new_spanned(what, message));

    for attribute in &function.attrs {
        if ends_with(attribute, "rstest") {
            let message =
                "`#[rstest]` goes above `#[cowherd::test]`: it hands the attribute on to each case";
            fault(attribute, message);
        } else if ends_with(attribute, "test") || ends_with(attribute, "bench") {
            let message = "a second test attribute: `#[cowherd::test]` is enough";
            fault(attribute, message);
        } else if ends_with(attribute, "should_panic") && !returns_nothing(function) {
            let message = "a test with `#[should_panic]` returns nothing";
            fault(&function.sig.output, message);
        }
    }
    if !signature.generics.params.is_empty() {
        fault(&signature.generics, "a test has no generic parameters");
    }
    if let Some(word) = &signature.constness {
        fault(word, "a test isn't `const`");
    }
    if let Safety::Unsafe(word) = &signature.safety {
        fault(word, "a test isn't `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        fault(abi, "a test has no ABI of its own");
    }
    if let Some(variadic) = &signature.variadic {
        fault(variadic, "a test has no variable arguments");
    }
    let (mut arguments, mut wrong) = (Vec::new(), Vec::new());
    for argument in &signature.inputs {
        match argument {
            FnArg::Receiver(receiver) => {
                fault(receiver, "a test is no method: it has no `self`");
            }
            FnArg::Typed(typed) => match one(typed) {
                Ok(argument) => arguments.push(argument),
                Err(error) => wrong.push(error),
            },
        }
    }
    faults.extend(wrong);
    if signature.asyncness.is_none() {
        let words = [
            options.flavor.map(|(word, _)| word),
            options.worker_threads.map(|(word, _)| word),
        ];
        let message = "this is for an `async fn`: this test has no runtime";
        faults.extend(
            words
                .into_iter()
                .flatten()
                .map(|word| Error::new(word, message)),
        );
    }
    all(faults)?;
    Ok(arguments)
}

fn one(argument: &PatType) -> Result<Argument> {
    const OF_RSTEST: [&str; 5] = ["case", "values", "with", "from", "files"];
    let of_rstest =
        |attribute: &&Attribute| OF_RSTEST.iter().any(|name| ends_with(attribute, name));
    if let Some(attribute) = argument.attrs.iter().find(of_rstest) {
        return Err(Error::new_spanned(
            attribute,
            "this belongs to rstest: write `#[rstest]` above `#[cowherd::test]`",
        ));
    }
    let (fixture, passed) = match &*argument.ty {
        Type::Reference(reference) => match reference.mutability {
            Some(_) => (&*reference.elem, Passed::LentMutably),
            None => (&*reference.elem, Passed::Lent),
        },
        owned => (owned, Passed::Owned),
    };
    match fixture {
        Type::ImplTrait(_) | Type::TraitObject(_) | Type::Infer(_) => Err(Error::new_spanned(
            fixture,
            "a test names the type that it asks for, as in `url: cowherd::DatabaseUrl`",
        )),
        Type::Path(path) if path.path.is_ident("str") => Err(Error::new_spanned(
            &argument.ty,
            "a test can't ask for a text: take the address as a `cowherd::DatabaseUrl`",
        )),
        _ => Ok(Argument {
            fixture: fixture.clone(),
            passed,
        }),
    }
}

/// Whether the return type is `()`, written or not.
pub(crate) fn returns_nothing(function: &ItemFn) -> bool {
    match &function.sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, output) => {
            matches!(&**output, Type::Tuple(tuple) if tuple.elems.is_empty())
        }
    }
}

/// Whether an attribute's path ends in `name`.
pub(crate) fn ends_with(attribute: &Attribute, name: &str) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|segment| segment.ident == name)
}
