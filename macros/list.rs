// SPDX-License-Identifier: GPL-2.0

//! `traps![]`: from the names of handlers to their descriptors.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{
    quote,
    ToTokens, //
};
use syn::{
    parse::Parser,
    punctuated::Punctuated,
    Error,
    Path,
    PathArguments,
    Result,
    Token, //
};

use crate::trap::descriptor_name;

/// Expands the macro; a wrong use becomes `compile_error!` at its place.
pub(crate) fn expand(paths: TokenStream) -> TokenStream {
    descriptors(paths).unwrap_or_else(|errors| {
        // Several errors are several statements, and the list is an expression.
        let errors = errors.into_compile_error();
        quote!({ #errors })
    })
}

fn descriptors(paths: TokenStream) -> Result<TokenStream> {
    let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(paths)?;
    if paths.is_empty() {
        return Ok(quote!((&[] as &[crate::core::TrapDescriptor; 0])));
    }

    let mut seen = HashSet::new();
    let mut errors: Option<Error> = None;
    let mut names = Vec::new();
    for path in paths {
        let text = path.to_token_stream().to_string();
        let outcome = if seen.insert(text) {
            descriptor_path(path)
        } else {
            Err(Error::new_spanned(
                &path,
                "this trap is in the list already",
            ))
        };
        match (outcome, &mut errors) {
            (Ok(name), _) => names.push(name),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), None) => errors = Some(error),
        }
    }
    match errors {
        Some(errors) => Err(errors),
        None => Ok(quote!(&[#(#names),*])),
    }
}

/// `rights::mod_refs` becomes `rights::__trap_mod_refs`, where the user wrote it.
fn descriptor_path(mut path: Path) -> Result<Path> {
    for segment in &path.segments {
        if !matches!(segment.arguments, PathArguments::None) {
            return Err(Error::new_spanned(
                &segment.arguments,
                "a trap has no generic parameters: name the function only",
            ));
        }
    }
    if let Some(last) = path.segments.last_mut() {
        last.ident = descriptor_name(&last.ident);
    }
    Ok(path)
}
