// SPDX-License-Identifier: GPL-2.0

//! What `#[trap]` and `#[routine]` have in common: a free function of a certain shape, with a
//! descriptor beside it.

use proc_macro2::{
    Ident,
    TokenStream, //
};
use quote::{
    format_ident,
    quote,
    ToTokens, //
};
use syn::{
    ext::IdentExt,
    Attribute,
    Error,
    Item,
    ItemFn,
    Path,
    Result,
    Signature,
    Type,
    Visibility, //
};

/// Which of the two it is.
pub(crate) struct Kind {
    /// The attribute's name, and what such a function handles.
    pub(crate) name: &'static str,
    /// Where the type of the descriptors is.
    descriptor: &'static str,
}

pub(crate) const TRAP: Kind = Kind {
    name: "trap",
    descriptor: "crate::core::TrapDescriptor",
};

pub(crate) const ROUTINE: Kind = Kind {
    name: "routine",
    descriptor: "crate::traps::ipc::RoutineDescriptor",
};

impl Kind {
    /// Name of the descriptor of a handler, at the place of the handler's name.
    pub(crate) fn descriptor_name(&self, handler: &Ident) -> Ident {
        let name = self.name;
        format_ident!("__{name}_{}", handler.unraw(), span = handler.span())
    }

    /// The type of the descriptors.
    pub(crate) fn descriptor_type(&self) -> TokenStream {
        // The text is a path, see the constants above.
        let path = syn::parse_str::<Path>(self.descriptor);
        path.map_or_else(Error::into_compile_error, Path::into_token_stream)
    }

    /// The item as a function.
    fn function(&self, item: TokenStream) -> Result<ItemFn> {
        match syn::parse2::<Item>(item.clone()) {
            Ok(Item::Fn(function)) => Ok(function),
            Ok(other) => Err(Error::new_spanned(
                first_token(&other),
                format!(
                    "#[{0}] belongs on a free function, the handler of the {0}",
                    self.name
                ),
            )),
            // A function without a body, as in a trait, or what is no item at all.
            Err(_) => syn::parse2::<ItemFn>(item),
        }
    }

    /// Expands the attribute; a wrong use becomes `compile_error!` at its place.
    ///
    /// The item is emitted in any case, so that one mistake is not followed by complaints about a
    /// missing function.
    pub(crate) fn expand(
        &self,
        item: TokenStream,
        descriptor: impl FnOnce(&ItemFn) -> Result<TokenStream>,
    ) -> TokenStream {
        let descriptor = self
            .function(item.clone())
            .and_then(|function| descriptor(&function))
            .unwrap_or_else(Error::into_compile_error);
        quote! {
            #item
            #descriptor
        }
    }

    /// Checks all of the function but its parameters and its result.
    pub(crate) fn check(&self, function: &ItemFn, errors: &mut Errors) {
        for attr in function.attrs.iter().filter(|attr| self.is(attr)) {
            errors.at(
                attr,
                format!(
                    "a handler serves one {0}: #[{0}] stands here twice",
                    self.name
                ),
            );
        }
        self.check_qualifiers(&function.sig, errors);
    }

    fn check_qualifiers(&self, signature: &Signature, errors: &mut Errors) {
        let cannot = |what: &str| format!("the handler of a {} cannot be {what}", self.name);
        if let Some(token) = &signature.constness {
            errors.at(token, cannot("`const`"));
        }
        if let Some(token) = &signature.asyncness {
            errors.at(token, cannot("`async`: it may sleep instead"));
        }
        if let Some(token) = &signature.unsafety {
            errors.at(token, cannot("`unsafe`: any task may call it"));
        }
        if let Some(token) = &signature.abi {
            errors.at(token, cannot("`extern`"));
        }
        if !signature.generics.params.is_empty() {
            errors.at(&signature.generics.params, cannot("generic"));
        }
        if let Some(clause) = &signature.generics.where_clause {
            let name = self.name;
            errors.at(
                clause,
                format!("the handler of a {name} cannot have a `where` clause"),
            );
        }
        if let Some(variadic) = &signature.variadic {
            errors.at(variadic, cannot("variadic"));
        }
    }

    fn is(&self, attr: &Attribute) -> bool {
        attr.path()
            .segments
            .last()
            .is_some_and(|last| last.ident == self.name)
    }
}

/// The first token of an item that is not an attribute, to point at.
fn first_token(item: &Item) -> TokenStream {
    let mut tokens = item.to_token_stream().into_iter().peekable();
    while matches!(tokens.peek(), Some(proc_macro2::TokenTree::Punct(p)) if p.as_char() == '#') {
        tokens.nth(1);
    }
    tokens.next().into_iter().collect()
}

/// Checks that `ty` is `&name<…>`, a shared reference; `wanted` tells what should stand there.
pub(crate) fn check_shared(
    ty: &Type,
    name: &str,
    wanted: &str,
    shared: &str,
    errors: &mut Errors,
) -> bool {
    let Type::Reference(reference) = ty else {
        errors.at(ty, wanted);
        return false;
    };
    if let Some(token) = &reference.mutability {
        errors.at(token, shared);
    }
    let Type::Path(path) = &*reference.elem else {
        errors.at(&reference.elem, wanted);
        return false;
    };
    if path
        .path
        .segments
        .last()
        .is_none_or(|last| last.ident != name)
    {
        errors.at(&path.path, wanted);
    }
    true
}

/// Both results, or the mistakes of both, so that all show at once.
pub(crate) fn both<A, B>(first: Result<A>, second: Result<B>) -> Result<(A, B)> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(mut first), Err(second)) => {
            first.combine(second);
            Err(first)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Collects mistakes, so that all of them are reported.
#[derive(Default)]
pub(crate) struct Errors(pub(crate) Option<Error>);

impl Errors {
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            none => *none = Some(error),
        }
    }
}

/// The list of a subsystem stands in the parent module, so a private handler is shown to it.
pub(crate) fn at_least_super(visibility: &Visibility) -> TokenStream {
    match visibility {
        Visibility::Inherited => quote!(pub(super)),
        Visibility::Restricted(to) if to.path.is_ident("self") => quote!(pub(super)),
        other => other.to_token_stream(),
    }
}

/// Where the handler does not exist, neither does its descriptor.
pub(crate) fn is_condition(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg")
}
