"""Calls a running Pawl with schemathesis, every check on: as nobody, as a client, as the administrator."""

import json
import os
import subprocess

import document
from server import Server

CASES = 2000
MIXED = "examples,coverage,fuzzing"
STATEFUL = "stateful"
# One seed's sequences end after a dozen, whatever their number may be.
SEEDS = {MIXED: ("20261124",), STATEFUL: ("20261124", "1", "2", "3")}
# Cases of an operation, and sequences of operations.
EXAMPLES = {MIXED: "20", STATEFUL: "100"}


class Run:
    """One run of schemathesis: what it found, how many cases it tried, which operations said yes."""

    def __init__(self, tools, folder, server, api, credential, phases, *more):
        folder.mkdir()
        answered, report = folder / "answered", folder / "report.json"
        answered.mkdir()
        here = document.ROOT / "tests/contract"
        command = [
            tools / "bin/schemathesis", "--config-file", here / "schemathesis.toml", "run", api, "-u", server.url,
            "-c", "all", "-n", EXAMPLES[phases], "--no-shrink", "--phases", phases, "--warnings", "off",
            "--report", "json", "--report-json-path", report, *more]
        if credential:
            command += ["-H", f"Authorization: Bearer {credential}"]
        environment = os.environ | {"SCHEMATHESIS_HOOKS": str(here / "hooks.py"), "ANSWERED": str(answered)}
        done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        try:
            said = json.loads(report.read_text())
        except OSError:
            raise RuntimeError(f"schemathesis did not run: {done.stdout}") from None
        self.text = done.stdout
        self.cases = said["test_cases"]["generated"]
        self.found = [one["title"] for one in said["failures"]] + [str(one) for one in said["errors"]]
        if not said["complete"]:
            self.found.append("it was not completed")
        if done.returncode != (1 if self.found else 0):
            raise RuntimeError(f"schemathesis ended with {done.returncode}: {done.stdout}")
        self.answered = {one.name for one in answered.iterdir()}


def public(api):
    items = (item for path in api["paths"].values() for item in path.values())
    return {item["operationId"] for item in items if item["tags"] == ["public"]}


def faults(tools, pawl, folder, postgres=None):
    folder.mkdir()
    api = document.read()
    path = document.written(api, folder / "document.json")
    total = 0
    with Server(pawl, folder / "data", postgres) as server:
        server.people()
        token = server.administrator()
        for caller, credential, phases in (
                ("administrator", token, MIXED), ("administrator", token, STATEFUL),
                ("client", server.key, MIXED), ("client", server.key, STATEFUL), ("nobody", None, MIXED)):
            if credential:
                # A credential that ran out would make every answer a 401.
                server.call("/v1/tenant" if credential == token else "/v1/users", credential)
            cases, answered = 0, set()
            for seed in SEEDS[phases]:
                place = folder / f"{caller}-{phases[:8]}-{seed}"
                run = Run(tools, place, server, path, credential, phases, "--seed", seed)
                cases, answered = cases + run.cases, answered | run.answered
                if run.found:
                    yield f"{folder.name}, {caller}: {run.found}\n{run.text}"
            print(f"schemathesis: {folder.name}, {caller}, {phases}: {cases} cases, "
                  f"{len(answered)} operations said yes")
            if credential == token:
                server.call("/v1/tenant", token)
            if caller == "nobody" and answered - public(api):
                yield f"{folder.name}: nobody may do {answered - public(api)}"
            if caller != "nobody" and len(answered) < 10:
                yield f"{folder.name}, {caller}: only {answered} said yes"
            total += cases
        yield from controls(tools, folder, server, api)
    if total < CASES:
        yield f"{folder.name}: {total} cases, {CASES} are wanted"


def forget_a_status(api):
    del document.operation(api, "getPolicy")["responses"]["401"]


def forget_another_form(api):
    document.schema(api, "User")["properties"]["external_id"] = {"type": "integer"}


def forget_the_words(api):
    del document.schema(api, "Algorithm")["enum"]


# A document that is wrong about one operation, and who must find it in which phases.
WRONG = (
    (forget_a_status, "getPolicy", False, MIXED),
    (forget_another_form, "listUsers", True, MIXED),
    (forget_the_words, "beginEnrollment", True, MIXED),
    (forget_another_form, None, True, STATEFUL),
)


def controls(tools, folder, server, api):
    for number, (edit, operation, is_client, phases) in enumerate(WRONG):
        wrong = document.changed(api, edit, folder / "wrong.json")
        only = ["--include-operation-id", operation] if operation else []
        key = server.key if is_client else None
        if not Run(tools, folder / f"control-{number}", server, wrong, key, phases, *only).found:
            yield f"{folder.name}: not found: {edit.__name__} in {phases}"
    print(f"schemathesis: {folder.name}: {len(WRONG)} wrong documents tried")
