// SPDX-License-Identifier: GPL-2.0

//! `#[trap]`: checks a handler and puts its descriptor beside it.

use proc_macro2::{
    Ident,
    Span,
    TokenStream, //
};
use quote::{
    quote,
    quote_spanned, //
};
use syn::{
    spanned::Spanned,
    Error,
    Expr,
    FnArg,
    ItemFn,
    Lit,
    LitInt,
    Result,
    ReturnType,
    Signature,
    Type, //
};

use crate::handler::{
    at_least_super,
    both,
    check_shared,
    is_condition,
    Errors,
    TRAP, //
};

/// The numbers that the trap table has room for.
const NUMBERS: std::ops::RangeInclusive<u64> = 0x1000..=0x1051;

/// Expands the attribute, see [`Kind::expand`](crate::handler::Kind::expand).
pub(crate) fn expand(number: TokenStream, item: TokenStream) -> TokenStream {
    TRAP.expand(item, |function| descriptor(number, function))
}

/// The constant that goes beside the function.
fn descriptor(number: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let (number, handler) = both(parse_number(number), Handler::check(function))?;

    let handler_name = &function.sig.ident;
    let name = TRAP.descriptor_name(handler_name);
    let visibility = at_least_super(&function.vis);
    let conditions = function.attrs.iter().filter(|attr| is_condition(attr));
    let Handler {
        context,
        argument,
        result,
    } = handler;

    // The pieces carry the place of the type they depend on: an error about a missing trait
    // appears there and not at the attribute. The thunk's variables are out of sight of the
    // handler, which may have any name.
    let ctx = Ident::new("ctx", Span::mixed_site().located_at(context.span()));
    let raw = Ident::new("raw", Span::mixed_site());
    let fetched = Ident::new("fetched", Span::mixed_site());
    let body = match argument {
        Some(argument) => {
            let fetch = quote_spanned! {argument.span()=>
                <#argument as crate::core::TrapArg>::fetch(#raw)
            };
            let outcome = quote_spanned! {result.span()=>
                <#result as crate::core::TrapReturn>::into_outcome(#handler_name(#ctx, #fetched))
            };
            quote! {
                match #fetch {
                    ::core::result::Result::Ok(#fetched) => #outcome,
                    ::core::result::Result::Err(_) => crate::core::Outcome::fault(),
                }
            }
        }
        None => quote_spanned! {result.span()=>
            <#result as crate::core::TrapReturn>::into_outcome(#handler_name(#ctx))
        },
    };
    let unused = argument.is_none().then(|| quote!(let _ = #raw;));

    Ok(quote! {
        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        #visibility const #name: crate::core::TrapDescriptor = {
            fn __thunk(#ctx: &crate::core::Context<'_>, #raw: usize) -> crate::core::Outcome {
                #unused
                #body
            }
            crate::core::TrapDescriptor::new(#number, __thunk)
        };
    })
}

/// The number between the attribute's parentheses.
fn parse_number(number: TokenStream) -> Result<Expr> {
    if number.is_empty() {
        return Err(Error::new(
            Span::call_site(),
            "which trap is it? Write its number, e.g. #[trap(nr::TASK_SELF)]",
        ));
    }
    let number = syn::parse2::<Expr>(number)?;
    match &number {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(value) => check_literal(value)?,
            other => {
                return Err(Error::new_spanned(
                    other,
                    "a trap is known by its number, e.g. #[trap(nr::TASK_SELF)]",
                ));
            }
        },
        Expr::Unary(_) => return Err(Error::new_spanned(&number, out_of_range())),
        _ => {}
    }
    Ok(number)
}

fn check_literal(value: &LitInt) -> Result<()> {
    if !matches!(value.suffix(), "" | "u32") {
        return Err(Error::new_spanned(value, "a trap's number is a `u32`"));
    }
    match value.base10_parse::<u64>() {
        Ok(number) if NUMBERS.contains(&number) => Ok(()),
        _ => Err(Error::new_spanned(value, out_of_range())),
    }
}

fn out_of_range() -> String {
    format!(
        "trap numbers go from {:#x} to {:#x}",
        NUMBERS.start(),
        NUMBERS.end()
    )
}

/// The types in a handler's signature.
struct Handler<'a> {
    context: &'a Type,
    argument: Option<&'a Type>,
    result: &'a Type,
}

impl<'a> Handler<'a> {
    fn check(function: &'a ItemFn) -> Result<Self> {
        let signature = &function.sig;
        let mut errors = Errors::default();
        TRAP.check(function, &mut errors);
        let context = check_context(signature, &mut errors);
        let argument = check_argument(signature, &mut errors);
        let result = check_result(signature, &mut errors);
        match (errors.0, context, result) {
            (None, Some(context), Some(result)) => Ok(Self {
                context,
                argument,
                result,
            }),
            (Some(errors), _, _) => Err(errors),
            // Each check that gives nothing has told why.
            (None, _, _) => Err(Error::new_spanned(signature, "not the handler of a trap")),
        }
    }
}

/// The first parameter's type.
fn check_context<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    const WANTED: &str = "the first parameter of a trap is its context: `ctx: &Context<'_>`";
    match signature.inputs.first() {
        Some(FnArg::Typed(parameter)) => {
            const SHARED: &str = "the context is shared: `&Context<'_>`";
            check_shared(&parameter.ty, "Context", WANTED, SHARED, errors).then_some(&*parameter.ty)
        }
        Some(FnArg::Receiver(receiver)) => {
            errors.at(
                receiver.self_token,
                "the handler of a trap is a free function, not a method",
            );
            None
        }
        None => {
            errors.push(Error::new(signature.paren_token.span.join(), WANTED));
            None
        }
    }
}

/// The second parameter's type, if there is one.
fn check_argument<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    if signature.receiver().is_some() {
        // It is a method; that has been told, and nothing is where it belongs.
        return None;
    }
    for surplus in signature.inputs.iter().skip(2) {
        errors.at(
            surplus,
            "a trap has one argument: put all values into one structure",
        );
    }
    match signature.inputs.iter().nth(1)? {
        FnArg::Typed(parameter) => {
            match &*parameter.ty {
                Type::Reference(reference) => errors.at(
                    reference.and_token,
                    "the argument is a copy, so it is passed by value",
                ),
                Type::ImplTrait(opaque) => errors.at(
                    opaque,
                    "the type of the argument must be named: it says what is fetched",
                ),
                _ => {}
            }
            Some(&parameter.ty)
        }
        FnArg::Receiver(_) => None,
    }
}

/// The type returned.
fn check_result<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    match &signature.output {
        ReturnType::Type(_, result) => {
            if let Type::ImplTrait(opaque) = &**result {
                errors.at(
                    opaque,
                    "the type returned must be named: it says what the caller gets",
                );
            }
            Some(result)
        }
        ReturnType::Default => {
            errors.at(
                &signature.ident,
                "a trap must say what its caller gets: add a return type, e.g. `-> KernResult`",
            );
            None
        }
    }
}
