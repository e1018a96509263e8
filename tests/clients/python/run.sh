# openapi-generator's `python`: generated, installed, type-checked, played.
python3 -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/pip" install -q --disable-pip-version-check mypy==2.4.1
openapi_generator python --additional-properties=packageName=pawl_client
"$FOLDER/venv/bin/pip" install -q --disable-pip-version-check "$FOLDER/client"
"$FOLDER/venv/bin/mypy" --strict --cache-dir "$FOLDER/mypy" "$HERE/story.py" >&2
echo compiled
"$FOLDER/venv/bin/python" "$HERE/story.py"
