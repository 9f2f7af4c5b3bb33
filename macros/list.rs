// SPDX-License-Identifier: GPL-2.0

//! `traps![]` and `routines![]`: from the names of handlers to their descriptors.

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

use crate::handler::Kind;

/// Expands the macro; a wrong use becomes `compile_error!` at its place.
pub(crate) fn expand(kind: &Kind, paths: TokenStream) -> TokenStream {
    descriptors(kind, paths).unwrap_or_else(|errors| {
        // Several errors are several statements, and the list is an expression.
        let errors = errors.into_compile_error();
        quote!({ #errors })
    })
}

fn descriptors(kind: &Kind, paths: TokenStream) -> Result<TokenStream> {
    let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(paths)?;
    if paths.is_empty() {
        let descriptor = kind.descriptor_type();
        return Ok(quote!((&[] as &[#descriptor; 0])));
    }

    let mut seen = HashSet::new();
    let mut errors: Option<Error> = None;
    let mut names = Vec::new();
    for path in paths {
        let text = path.to_token_stream().to_string();
        let outcome = if seen.insert(text) {
            descriptor_path(kind, path)
        } else {
            Err(Error::new_spanned(
                &path,
                format!("this {} is in the list already", kind.name),
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
fn descriptor_path(kind: &Kind, mut path: Path) -> Result<Path> {
    for segment in &path.segments {
        if !matches!(segment.arguments, PathArguments::None) {
            return Err(Error::new_spanned(
                &segment.arguments,
                format!(
                    "a {} has no generic parameters: name the function only",
                    kind.name
                ),
            ));
        }
    }
    if let Some(last) = path.segments.last_mut() {
        last.ident = kind.descriptor_name(&last.ident);
    }
    Ok(path)
}
