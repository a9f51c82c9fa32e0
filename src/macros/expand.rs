//! From the function to the test.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Result;
use syn::spanned::Spanned as _;

use crate::function::{self, Argument, Passed, ends_with, returns_nothing};
use crate::options::{Flavor, Options};

/// Writes the test:
///
/// ```text
/// #[test]
/// fn name() {
///     fn name(url: DatabaseUrl, client: &mut Client) { … }       as it was written
///     let test = Test::new("…::name").package(…).snapshot("shop").arguments(2);
///     let outcome = test.run(
///         |given| Ok((given.get::<DatabaseUrl>()?, given.get::<Client>()?,)),
///         |(fixture_0, mut fixture_1,)| name(fixture_0, &mut fixture_1),
///     );
///     match outcome { Ok(_) => {} Err(failed) => failed.raise() }
/// }
/// ```
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options);
    let mut function = function::parse(item)?;
    let options = options?;
    let arguments = function::check(&function, &options)?;

    let attributes = std::mem::take(&mut function.attrs);
    let visibility = std::mem::replace(&mut function.vis, syn::Visibility::Inherited);
    let name = &function.sig.ident;
    let is_async = function.sig.asyncness.is_some();
    let elsewhere = options.krate.as_ref().map(|path| quote!(#path));
    let cowherd = elsewhere.unwrap_or_else(|| quote!(::cowherd));
    let testing = quote!(#cowherd::testing);

    let test = test(&options, &testing, name, arguments.len());
    let limit = options.timeout.map(|limit| {
        let (seconds, nanoseconds) = (limit.as_secs(), limit.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanoseconds),)
    });
    let flavor = is_async.then(|| flavor(&options, &testing));
    let method = match (is_async, &limit) {
        (false, None) => quote!(run),
        (false, Some(_)) => quote!(run_within),
        (true, None) => quote!(run_async),
        (true, Some(_)) => quote!(run_async_within),
    };
    let setup = setup(&arguments, is_async, &testing);
    let body = body(&arguments, is_async, name, &function);
    let run = quote!(#test.#method(#limit #flavor #setup, #body));

    let should_panic = attributes
        .iter()
        .any(|attribute| ends_with(attribute, "should_panic"));
    let (output, end) = match (should_panic, returns_nothing(&function)) {
        // It must not pass by the panic that a missing database would be.
        (true, _) => (
            quote!(),
            quote!(if let ::core::result::Result::Err(failed) = #run { failed.print() }),
        ),
        (false, true) => (
            quote!(),
            quote!(if let ::core::result::Result::Err(failed) = #run { failed.raise() }),
        ),
        (false, false) => (
            quote!(-> ::std::process::ExitCode),
            quote!(match #run {
                ::core::result::Result::Ok(code) => code,
                ::core::result::Result::Err(failed) => failed.raise(),
            }),
        ),
    };
    Ok(quote! {
        #(#attributes)*
        #[::core::prelude::v1::test]
        #visibility fn #name() #output {
            // What a test gets, it gets whole, and it may have a runtime without waiting for anything.
            #[allow(clippy::needless_pass_by_value, clippy::unused_async)]
            #function

            #end
        }
    })
}

/// What is known of the test before it runs.
fn test(options: &Options, testing: &TokenStream, name: &Ident, arguments: usize) -> TokenStream {
    let snapshot = options.snapshot.iter();
    let herd = options.herd.iter();
    quote! {
        #testing::Test::new(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)))
            .package(::core::option_env!("CARGO_MANIFEST_DIR"))
            #(.snapshot(#snapshot))*
            #(.herd(#herd))*
            .arguments(#arguments)
    }
}

fn flavor(options: &Options, testing: &TokenStream) -> TokenStream {
    match options.flavor {
        Some((_, Flavor::MultiThread)) => {
            let told = options.worker_threads;
            let told = told.map(|(_, number)| quote!(::core::option::Option::Some(#number)));
            let workers = told.unwrap_or_else(|| quote!(::core::option::Option::None));
            quote!(#testing::Flavor::MultiThread(#workers),)
        }
        Some((_, Flavor::CurrentThread)) | None => quote!(#testing::Flavor::CurrentThread,),
    }
}

/// The closure that makes the fixtures, as a tuple.
fn setup(arguments: &[Argument], is_async: bool, testing: &TokenStream) -> TokenStream {
    let given = Ident::new("given", Span::mixed_site());
    let asyncness = is_async.then(|| quote!(async));
    let (method, wait) = match is_async {
        false => (quote!(get), quote!()),
        true => (quote!(get_async), quote!(.await)),
    };
    let made = arguments.iter().map(|Argument { fixture, .. }| {
        // An error about the type is shown where the type stands.
        quote_spanned!(fixture.span()=> #given.#method::<#fixture>()#wait?,)
    });
    let unused = arguments.is_empty().then(|| quote!(_));
    let pattern = unused.unwrap_or_else(|| quote!(#given));
    quote!(#asyncness |#pattern: &#testing::Given| ::core::result::Result::Ok((#(#made)*)))
}

/// The closure that calls the function with the fixtures.
fn body(
    arguments: &[Argument],
    is_async: bool,
    name: &Ident,
    function: &syn::ItemFn,
) -> TokenStream {
    let names: Vec<Ident> = (0..arguments.len())
        .map(|number| format_ident!("fixture_{number}", span = Span::mixed_site()))
        .collect();
    let bound = arguments.iter().zip(&names);
    let bound = bound.map(|(argument, name)| match argument.passed {
        Passed::LentMutably => quote!(mut #name,),
        Passed::Lent | Passed::Owned => quote!(#name,),
    });
    let passed = arguments.iter().zip(&names);
    let passed = passed.map(|(argument, name)| match argument.passed {
        Passed::Owned => quote!(#name,),
        Passed::Lent => quote!(&#name,),
        Passed::LentMutably => quote!(&mut #name,),
    });
    let (asyncness, wait) = match is_async {
        true => (quote!(async), quote!(.await)),
        false => (quote!(), quote!()),
    };
    // An error about what is returned is shown where its type stands.
    let call = quote_spanned!(function.sig.output.span()=> #name(#(#passed)*) #wait);
    quote!(#asyncness |(#(#bound)*)| #call)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(options: TokenStream, item: TokenStream) -> String {
        let expanded = expand(options, item).expect("a test");
        expanded.to_string()
    }

    #[test]
    fn other_attributes_and_the_visibility_stay_with_the_test() {
        let written = expanded(
            quote!(),
            quote! {
                /// Says what it asserts.
                #[cfg(unix)]
                #[ignore = "takes an hour"]
                #[allow(unused)]
                pub(super) fn works(#[allow(unused)] url: DatabaseUrl) {}
            },
        );
        let kept = quote! {
            /// Says what it asserts.
            #[cfg(unix)]
            #[ignore = "takes an hour"]
            #[allow(unused)]
            #[::core::prelude::v1::test]
            pub(super) fn works()
        };
        assert!(written.starts_with(&kept.to_string()), "{written}");
        let own = quote!(
            fn works(#[allow(unused)] url: DatabaseUrl) {}
        );
        assert!(written.contains(&own.to_string()), "{written}");
    }

    #[test]
    fn the_library_may_be_elsewhere() {
        let written = expanded(
            quote!(crate = kit::cowherd),
            quote!(
                fn works() {}
            ),
        );
        let there = written.matches("kit :: cowherd ::").count();
        assert!(there > 0, "{written}");
        assert_eq!(written.matches("cowherd").count(), there, "{written}");
    }
}
