"""Holds the document to its linter and to the last release, the page that shows it, and the server to it.

check.py TOOLS PAWL, with TEST_POSTGRES the address of a PostgreSQL server that is thrown away
"""

import os
import pathlib
import sys
import tempfile

import compare
import fuzz
import lint
import page
from server import Server


def main(tools, pawl):
    tools, pawl = pathlib.Path(tools).resolve(), pathlib.Path(pawl).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        said = list(lint.faults(tools / "node_modules/.bin/redocly", folder))
        said += compare.faults(tools / "bin/specshift", folder)
        with Server(pawl, folder / "page") as server:
            said += page.faults(server, folder)
        said += fuzz.faults(tools, pawl, folder / "sqlite")
        said += fuzz.faults(tools, pawl, folder / "postgres", os.environ["TEST_POSTGRES"])
    for fault in said:
        print(fault)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
