"""Compares the document with the last release's: what breaks a client of that one is a fault."""

import json
import re
import subprocess

import document


def remove_an_operation(api):
    del api["paths"]["/v1/tenant"]


def remove_an_answer(api):
    del document.operation(api, "verifyCode")["responses"]["200"]


def remove_a_field(api):
    del document.schema(api, "User")["properties"]["external_id"]


def promise_a_field_no_more(api):
    document.schema(api, "User")["required"].remove("external_id")


def demand_a_field(api):
    document.schema(api, "UpsertUser")["required"].append("kind")


def demand_a_parameter(api):
    document.operation(api, "listEvents")["parameters"][0]["required"] = True


def change_a_type(api):
    document.schema(api, "Jwk")["properties"]["kid"]["type"] = "integer"


def shorten_a_text(api):
    document.schema(api, "Handle")["maxLength"] = 3


BREAKS = (
    remove_an_operation, remove_an_answer, remove_a_field, promise_a_field_no_more, demand_a_field,
    demand_a_parameter, change_a_type, shorten_a_text,
)


def add_an_operation(api):
    api["paths"]["/v1/tenants"] = {"get": document.operation(api, "getTenant") | {"operationId": "listTenants"}}


def breaks(specshift, old, new):
    """What of the new document breaks a client of the old one."""
    done = subprocess.run(
        [specshift, "diff", old, new, "--format", "json", "--fail-on", "breaking"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        changes = json.loads(done.stdout)["changes"]
    except ValueError:
        raise RuntimeError(f"specshift did not run: {done.stderr}") from None
    found = [f"{one['location']}: {one['message']}" for one in changes if one["severity"] == "breaking"]
    if done.returncode != (1 if found else 0):
        raise RuntimeError(f"specshift ended with {done.returncode} and {len(found)} breaking changes")
    return found


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=document.ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def last_release():
    """The tag of the highest version that has a document."""
    tags = [tag for tag in git("tag", "--list", "v*").split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    return max(tags, key=lambda tag: [int(part) for part in tag[1:].split(".")], default=None)


def faults(specshift, folder):
    now = document.written(document.read(), folder / "now.json")
    for edit in BREAKS:
        if not breaks(specshift, now, document.changed(document.read(), edit, folder / "broken.json")):
            yield f"not found to break anything: {edit.__name__}"
    said = breaks(specshift, now, document.changed(document.read(), add_an_operation, folder / "more.json"))
    yield from (f"an addition was taken for a break: {one}" for one in said)
    tag = last_release()
    if tag is None:
        print(f"specshift: {len(BREAKS)} breaks found; no release yet, so there is none to compare with")
        return
    released = folder / "released.json"
    released.write_text(git("show", f"{tag}:{document.PATH}"))
    yield from (f"breaks clients of {tag}: {one}" for one in breaks(specshift, released, now))
    print(f"specshift: {len(BREAKS)} breaks found; compared with {tag}")
