# openapi-generator's `java` on the JDK's own HTTP client: generated, built, played. Without Maven: Jackson is the one that the
# generator's own jar carries, the two other jars are the distribution's.
openapi_generator java --library native \
  --additional-properties=openApiNullable=false,useOneOfDiscriminatorLookup=true,invokerPackage=pawl,apiPackage=pawl.api,modelPackage=pawl.model
generator=("$FOLDER"/../tools/lib/python3*/site-packages/openapi_generator_cli/openapi-generator.jar)
export CLASSPATH=$FOLDER/classes:${generator[0]}:/usr/share/java/geronimo-annotation-1.3-spec.jar:/usr/share/java/httpmime.jar
rm -rf "$FOLDER/classes"
mkdir "$FOLDER/classes"
find "$FOLDER/client/src/main" -name '*.java' >"$FOLDER/sources"
javac -nowarn -d "$FOLDER/classes" "@$FOLDER/sources" "$HERE/Story.java" >&2
echo compiled
java Story
