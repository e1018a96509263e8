"""Lints the document with redocly, whose warnings are errors here, and copies that it must refuse."""

import json
import os
import pathlib
import subprocess

import document

# It neither looks for a newer version nor tells anybody that it ran.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
CONFIG = pathlib.Path(__file__).parent / "redocly.yaml"


def add_nullable(api):
    document.schema(api, "Jwk")["properties"]["kid"]["nullable"] = True


def repeat_an_operation_id(api):
    document.operation(api, "getPolicy")["operationId"] = "getTenant"


def misname_a_type(api):
    document.schema(api, "Jwk")["properties"]["kid"]["type"] = "text"


def dangle_a_reference(api):
    document.schema(api, "Jwks")["properties"]["keys"]["items"]["$ref"] = "#/components/schemas/Key"


def give_a_wrong_example(api):
    media = document.operation(api, "verifyCode")["requestBody"]["content"]["application/json"]
    media["example"] = {"challenge": 1}


def forget_security(api):
    del document.operation(api, "listEvents")["security"]


def forget_a_summary(api):
    del document.operation(api, "listEvents")["summary"]


def forget_every_refusal(api):
    responses = document.operation(api, "getPolicy")["responses"]
    for status in [status for status in responses if status.startswith("4")]:
        del responses[status]


# Each defect, and the rule that must name it.
DEFECTS = (
    (add_nullable, "struct"),
    (repeat_an_operation_id, "operation-operationId-unique"),
    (misname_a_type, "struct"),
    (dangle_a_reference, "no-unresolved-refs"),
    (give_a_wrong_example, "no-invalid-media-type-examples"),
    (forget_security, "security-defined"),
    (forget_a_summary, "operation-summary"),
    (forget_every_refusal, "operation-4xx-response"),
)


def problems(redocly, path):
    """The rule and the place of each thing that redocly refuses."""
    done = subprocess.run(
        [redocly, "lint", "--config", CONFIG, "--format", "json", "--max-problems", "1000", path],
        cwd=document.ROOT, env=os.environ | QUIET, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        found = json.loads(done.stdout)["problems"]
    except ValueError:
        raise RuntimeError(f"redocly did not run: {done.stderr}") from None
    if (done.returncode == 0) != (not found):
        raise RuntimeError(f"redocly ended with {done.returncode} and {len(found)} problems")
    return [(one["ruleId"], f"{one['location'][0].get('pointer')}: {one['message']}") for one in found]


def faults(redocly, folder):
    api = document.read()
    yield from (f"{rule}: {what}" for rule, what in problems(redocly, document.PATH))
    # What is ignored at the document's own path is not ignored at a copy's.
    copy = document.written(api, folder / "copy.json")
    known = set(problems(redocly, copy))
    for defect, rule in DEFECTS:
        said = set(problems(redocly, document.changed(api, defect, copy))) - known
        if rule not in {found for found, _ in said}:
            yield f"not refused: {defect.__name__}: {said}"
    print(f"redocly: {len(DEFECTS)} defects tried")
