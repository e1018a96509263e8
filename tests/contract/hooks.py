"""What schemathesis does not look at by itself: which 400 a well-formed request may get, and who got a yes."""

import os
import pathlib
import re

import schemathesis

# What 400 may name although every schema was kept to.
UNSAID = (
    # Lengths are in bytes, and invisible characters are refused: docs of src/mfa/words.rs.
    "external_id", "display_name", "name", "reason", "ticket_reference",
    # Handles are opaque, at most 200 bytes.
    "challenge", "enrollment", "ticket", "proof.challenge",
    # A place in a list that was read before.
    "cursor",
    # An address of either kind has no one format.
    "address",
    # Codes are as people type them: how many digits are left without spaces and hyphens, no schema says.
    "code", "proof.code", "recovery_code",
    # Instants end where the calendar of the server does.
    "expires_at", "primary_login.at", "query",
    # Ranges of addresses.
    r"policy.rules\[\d+\].when.networks_not_in\[\d+\]",
    # Its parts have lengths of their own, and only a server that takes a cluster's tokens takes one.
    "service_account",
    # What there is, what is so already, what goes with what: a directory and its setting, a user's kind, the role
    # that everybody has, audiences that an exemption has and nothing else, a client's own scopes.
    "directory_id", "look_alikes", "kind", "role", "audiences", "scopes",
    # A key is one or is not: its members are checked together.
    "jwk",
    # A union is told as a whole, or by its parts, which are the fields above.
    "body",
    # Nobody can make up an assertion, nor come to the token endpoint with another credential.
    "client_assertion", "client_assertion_type",
)


def has_fraction(body):
    """To JSON Schema 1.0 is an integer; Pawl wants a whole number written as one."""
    if isinstance(body, dict):
        return any(map(has_fraction, body.values()))
    if isinstance(body, list):
        return any(map(has_fraction, body))
    return isinstance(body, float)


@schemathesis.check
def refused_for_a_cause(ctx, response, case):
    """A 400 to a request that keeps to the document names something that no schema says."""
    if response.status_code != 400 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    problem = response.json()
    if problem["code"] != "invalid-request" or has_fraction(case.body):
        return
    named = problem.get("field", "").removeprefix("body.")
    if not any(re.fullmatch(field, named) for field in UNSAID):
        raise AssertionError(f"400 for {problem.get('field')}, which keeps to the document")


@schemathesis.check
def answered(ctx, response, case):
    """Notes which operations said yes; fuzz.py judges it."""
    if response.status_code < 400 and (case.meta is None or case.method == case.operation.method.upper()):
        operation = case.operation.definition.raw["operationId"]
        pathlib.Path(os.environ["ANSWERED"], operation).touch()
