# openapi-generator's `rust` (reqwest): generated, built, played. Its document is shaped: serde takes the tag of a union away
# before the variant sees it, and the generated variant wants it all the same.
jq 'reduce (.components.schemas[] | .discriminator // empty) as $union (.;
    reduce ($union.mapping[] | ltrimstr("#/components/schemas/")) as $variant (.;
      .components.schemas[$variant] |= (del(.properties[$union.propertyName]) | .required -= [$union.propertyName])))' "$DOCUMENT" >"$FOLDER/openapi.json"
DOCUMENT=$FOLDER/openapi.json openapi_generator rust --library reqwest --additional-properties=packageName=pawl-client
mkdir -p "$FOLDER/story"
cp "$HERE"/{Cargo.toml,story.rs} "$FOLDER/story"
cd "$FOLDER/story"
# The calling build's folder is not this one's.
CARGO_TARGET_DIR=$FOLDER/target CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet >&2
echo compiled
"$FOLDER/target/debug/story"
