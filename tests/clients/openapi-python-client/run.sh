# openapi-python-client: generated, type-checked, played.
python3 -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/pip" install -q --disable-pip-version-check openapi-python-client==0.29.1 mypy==2.4.1
"$FOLDER/venv/bin/openapi-python-client" generate --path "$DOCUMENT" --output-path "$FOLDER/pawl_client" --meta none \
  --overwrite --fail-on-warning --config "$HERE/config.yml" >&2
echo "generator openapi-python-client 0.29.1"
export MYPYPATH=$FOLDER PYTHONPATH=$FOLDER
"$FOLDER/venv/bin/mypy" --strict --cache-dir "$FOLDER/mypy" "$HERE/story.py" >&2
echo compiled
"$FOLDER/venv/bin/python" "$HERE/story.py"
