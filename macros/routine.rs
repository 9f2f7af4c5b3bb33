// SPDX-License-Identifier: GPL-2.0

//! `#[routine]`: checks a function that answers requests and puts its descriptor beside it.

use proc_macro2::{
    Ident,
    Span,
    TokenStream, //
};
use quote::{
    format_ident,
    quote,
    quote_spanned, //
};
use syn::{
    ext::IdentExt,
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
    ROUTINE, //
};

/// Expands the attribute, see [`Kind::expand`](crate::handler::Kind::expand).
pub(crate) fn expand(id: TokenStream, item: TokenStream) -> TokenStream {
    ROUTINE.expand(item, |function| descriptor(id, function))
}

/// The constant that goes beside the function.
fn descriptor(id: TokenStream, function: &ItemFn) -> Result<TokenStream> {
    let (id, handler) = both(parse_id(id), Handler::check(function))?;

    let handler_name = &function.sig.ident;
    let text = handler_name.unraw().to_string();
    let name = ROUTINE.descriptor_name(handler_name);
    let visibility = at_least_super(&function.vis);
    let conditions = function.attrs.iter().filter(|attr| is_condition(attr));
    let Handler {
        context,
        target,
        parameters,
        result,
    } = handler;

    // The pieces carry the place of the type they depend on: an error about a missing trait
    // appears there and not at the attribute. The thunk's variables are out of sight of the
    // handler, which may have any name.
    let call = Ident::new("call", Span::mixed_site().located_at(context.span()));
    let object = Ident::new("object", Span::mixed_site());
    let request = Ident::new("request", Span::mixed_site());
    let values: Vec<Ident> = (0..parameters.len())
        .map(|index| format_ident!("value_{index}", span = Span::mixed_site()))
        .collect();
    let shapes = parameters.iter().map(|parameter| {
        quote_spanned! {parameter.span()=> <#parameter as crate::traps::ipc::Param>::SHAPE }
    });
    let takes = parameters.iter().map(|parameter| {
        quote_spanned! {parameter.span()=> <#parameter as crate::traps::ipc::Param>::take }
    });
    let find = quote_spanned! {target.span()=> #call.target::<#target>()? };
    let reply = quote_spanned! {result.span()=>
        <#result as crate::traps::ipc::RoutineReturn>::into_reply(
            #handler_name(#call, #object, #(#values),*)
        )
    };

    Ok(quote! {
        #(#conditions)*
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        #visibility const #name: crate::traps::ipc::RoutineDescriptor = {
            fn __thunk(
                #call: &crate::traps::ipc::Call<'_>,
                #request: &mut crate::traps::ipc::Request<'_>,
            ) -> crate::traps::ipc::RoutineResult<crate::traps::ipc::Reply> {
                #request.begin(&[#(#shapes),*])?;
                #(let #values = #takes(#request)?;)*
                #request.end()?;
                let #object = #find;
                #reply
            }
            crate::traps::ipc::RoutineDescriptor::new(#id, #text, __thunk)
        };
    })
}

/// The id between the attribute's parentheses.
fn parse_id(id: TokenStream) -> Result<Expr> {
    if id.is_empty() {
        return Err(Error::new(
            Span::call_site(),
            "which routine is it? Write the id of its request, e.g. #[routine(3409)]",
        ));
    }
    let id = syn::parse2::<Expr>(id)?;
    match &id {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(value) => check_literal(value)?,
            other => {
                return Err(Error::new_spanned(
                    other,
                    "a routine is known by the id of its request, e.g. #[routine(3409)]",
                ));
            }
        },
        Expr::Unary(_) => return Err(Error::new_spanned(&id, OUT_OF_RANGE)),
        _ => {}
    }
    Ok(id)
}

const OUT_OF_RANGE: &str = "the id of a request is positive and fits 31 bits";

fn check_literal(value: &LitInt) -> Result<()> {
    if !matches!(value.suffix(), "" | "i32") {
        return Err(Error::new_spanned(value, "the id of a request is an `i32`"));
    }
    match value.base10_parse::<i32>() {
        Ok(1..) => Ok(()),
        _ => Err(Error::new_spanned(value, OUT_OF_RANGE)),
    }
}

/// The types in a routine's signature.
struct Handler<'a> {
    context: &'a Type,
    /// The object's type, without the reference.
    target: &'a Type,
    parameters: Vec<&'a Type>,
    result: &'a Type,
}

impl<'a> Handler<'a> {
    fn check(function: &'a ItemFn) -> Result<Self> {
        let signature = &function.sig;
        let mut errors = Errors::default();
        ROUTINE.check(function, &mut errors);
        let context = check_call(signature, &mut errors);
        let target = check_target(signature, &mut errors);
        let parameters = check_parameters(signature, &mut errors);
        let result = check_result(signature, &mut errors);
        match (errors.0, context, target, result) {
            (None, Some(context), Some(target), Some(result)) => Ok(Self {
                context,
                target,
                parameters,
                result,
            }),
            (Some(errors), ..) => Err(errors),
            // Each check that gives nothing has told why.
            (None, ..) => Err(Error::new_spanned(signature, "not a routine")),
        }
    }
}

/// The first parameter's type.
fn check_call<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    const WANTED: &str = "the first parameter of a routine is the call: `call: &Call<'_>`";
    const SHARED: &str = "the call is shared: `&Call<'_>`";
    match signature.inputs.first() {
        Some(FnArg::Typed(parameter)) => {
            check_shared(&parameter.ty, "Call", WANTED, SHARED, errors).then_some(&*parameter.ty)
        }
        Some(FnArg::Receiver(receiver)) => {
            errors.at(
                receiver.self_token,
                "the handler of a routine is a free function, not a method",
            );
            None
        }
        None => {
            errors.push(Error::new(signature.paren_token.span.join(), WANTED));
            None
        }
    }
}

/// The type that the second parameter refers to.
fn check_target<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    const WANTED: &str =
        "the second parameter of a routine is the object that is asked, e.g. `task: &TaskPort`";
    // Of a method, or a function without parameters, the first check has told.
    signature.inputs.first()?;
    if signature.receiver().is_some() {
        return None;
    }
    match signature.inputs.iter().nth(1) {
        Some(FnArg::Typed(parameter)) => {
            let Type::Reference(reference) = &*parameter.ty else {
                errors.at(&parameter.ty, WANTED);
                return None;
            };
            if let Some(token) = &reference.mutability {
                errors.at(token, "the object is shared: take it by `&`");
            }
            Some(&reference.elem)
        }
        _ => {
            errors.push(Error::new(signature.paren_token.span.join(), WANTED));
            None
        }
    }
}

/// The types of all other parameters.
fn check_parameters<'a>(signature: &'a Signature, errors: &mut Errors) -> Vec<&'a Type> {
    let mut parameters = Vec::new();
    for input in signature.inputs.iter().skip(2) {
        let FnArg::Typed(parameter) = input else {
            continue;
        };
        match &*parameter.ty {
            Type::Reference(reference) => errors.at(
                reference.and_token,
                "what the message holds is passed by value",
            ),
            Type::ImplTrait(opaque) => errors.at(
                opaque,
                "the type of a parameter must be named: it says what is decoded",
            ),
            _ => {}
        }
        parameters.push(&*parameter.ty);
    }
    parameters
}

/// The type returned.
fn check_result<'a>(signature: &'a Signature, errors: &mut Errors) -> Option<&'a Type> {
    match &signature.output {
        ReturnType::Type(_, result) => {
            if let Type::ImplTrait(opaque) = &**result {
                errors.at(
                    opaque,
                    "the type returned must be named: it says what the reply holds",
                );
            }
            Some(result)
        }
        ReturnType::Default => {
            errors.at(
                &signature.ident,
                "a routine must say what its reply holds: add a return type, \
                 e.g. `-> RoutineResult`",
            );
            None
        }
    }
}
