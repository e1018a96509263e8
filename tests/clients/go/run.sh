# openapi-generator's `go`: generated, vetted, built, played. Go is the distribution's: the client has no dependency.
openapi_generator go --additional-properties=packageName=pawl,withGoMod=false,enumClassPrefix=true,useOneOfDiscriminatorLookup=true
printf 'module example.com/pawl\n\ngo 1.19\n' >"$FOLDER/client/go.mod"
mkdir -p "$FOLDER/client/story"
cp "$HERE/story.go" "$FOLDER/client/story"
cd "$FOLDER/client"
export GOFLAGS=-mod=readonly GOPROXY=off
go vet ./... >&2
go build -o "$FOLDER/story" ./story
echo compiled
"$FOLDER/story"
