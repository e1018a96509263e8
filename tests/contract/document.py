"""The document, and copies of it with one thing changed each."""

import copy
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = "openapi/openapi.json"


def read():
    return json.loads((ROOT / PATH).read_text())


def written(document, path):
    path.write_text(json.dumps(document))
    return path


def changed(document, edit, path):
    """Writes the document with an edit that must change it."""
    other = copy.deepcopy(document)
    edit(other)
    if other == document:
        raise ValueError("an edit changed nothing")
    return written(other, path)


def operation(document, name):
    items = (item for path in document["paths"].values() for item in path.values())
    return next(item for item in items if item["operationId"] == name)


def schema(document, name):
    return document["components"]["schemas"][name]
