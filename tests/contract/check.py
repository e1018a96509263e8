"""Holds the document to its linter and to the last release.

check.py TOOLS
"""

import pathlib
import sys
import tempfile

import compare
import lint


def main(tools):
    tools = pathlib.Path(tools).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        said = list(lint.faults(tools / "node_modules/.bin/redocly", folder))
        said += compare.faults(tools / "bin/specshift", folder)
    for fault in said:
        print(fault)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
