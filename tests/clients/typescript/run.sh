# openapi-typescript with openapi-fetch: types made, story compiled, played.
cp "$HERE"/{package.json,tsconfig.json,story.ts} "$FOLDER"
cd "$FOLDER"
npm install --no-audit --no-fund --no-package-lock --silent
npx openapi-typescript "$DOCUMENT" --output schema.d.ts >&2
echo "generator openapi-typescript $(jq -r '.devDependencies["openapi-typescript"]' package.json) with openapi-fetch $(jq -r '.dependencies["openapi-fetch"]' package.json)"
npx tsc
echo compiled
node out/story.js
