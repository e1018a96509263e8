//! Unions on the wire: `oneOf` named components, each with the tag as a one-value enum, and a
//! discriminator with its mapping. Generators need all three.

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

/// Adds the tag to a variant's schema.
pub(crate) fn tagged(schema: RefOr<Schema>, tag: &str, value: &str) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut object)) = schema else { return schema };
    let one_value = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value]));
    object.properties.insert(tag.to_owned(), one_value.into());
    object.required.insert(0, tag.to_owned());
    RefOr::T(Schema::Object(object))
}

/// The union itself.
pub(crate) fn one_of(tag: &str, variants: &[(&str, String)], about: &str) -> RefOr<Schema> {
    use utoipa::openapi::schema::{Discriminator, OneOfBuilder};
    let place = |name: &str| format!("#/components/schemas/{name}");
    let mapping = variants.iter().map(|(value, name)| ((*value).to_owned(), place(name)));
    variants
        .iter()
        .fold(OneOfBuilder::new(), |union, (_, name)| union.item(Ref::new(place(name))))
        .discriminator(Some(Discriminator::with_mapping(tag, mapping)))
        .description(Some(about))
        .into()
}

/// Declares a tagged union: serde's form of it and the document's are made from one list.
macro_rules! union {
    ($(#[doc = $about:literal])+ #[derive($($derive:path),*)] $name:ident by $tag:literal {
        $($(#[doc = $variant_about:literal])+ $variant:ident($type:ident) = $value:literal,)+
    }) => {
        $(#[doc = $about])+
        #[derive($($derive),*)]
        #[serde(tag = $tag)]
        pub enum $name {
            $($(#[doc = $variant_about])+ #[serde(rename = $value)] $variant($type),)+
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let variants =
                    [$(($value, <$type as utoipa::ToSchema>::name().into_owned()),)+];
                $crate::operations::union::one_of($tag, &variants, concat!($($about),+).trim())
            }
        }

        impl utoipa::ToSchema for $name {
            fn schemas(
                list: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>,
            ) {
                $({
                    <$type as utoipa::ToSchema>::schemas(list);
                    let schema = <$type as utoipa::PartialSchema>::schema();
                    list.push((
                        <$type as utoipa::ToSchema>::name().into_owned(),
                        $crate::operations::union::tagged(schema, $tag, $value),
                    ));
                })+
            }
        }
    };
}
pub(crate) use union;
