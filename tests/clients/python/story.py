"""The whole story with the client that openapi-generator makes for Python."""

import os
import subprocess
import time
from datetime import datetime, timedelta, timezone

import pawl_client as pawl

CLIENT_KEY, ISSUER = os.environ["CONSOLE_KEY"], os.environ["CONSOLE_ISSUER"]


def connect(credential: str) -> pawl.ApiClient:
    return pawl.ApiClient(pawl.Configuration(host=os.environ["PAWL_BASE_URL"], access_token=credential))


def show_code(secret: str) -> str:
    """What the phone shows."""
    return subprocess.check_output(["oathtool", "--totp", "--base32", secret], text=True).strip()


def wait_for_the_next_code() -> None:
    """A code works once."""
    time.sleep(30 - time.time() % 30)


console = connect(CLIENT_KEY)
logins, enrollments = pawl.LoginsApi(console), pawl.EnrollmentsApi(console)


def log_in(user: str, *audiences: str) -> pawl.Evaluation:
    """The console checked the password; what now?"""
    return logins.evaluate_login(pawl.EvaluateLogin(
        external_id=user,
        display_name=user,
        audiences=list(audiences),
        primary_login=pawl.PrimaryLogin(method=pawl.PrimaryMethod.PASSWORD, at=datetime.now(timezone.utc)),
    ))


# The first administrator's secret was printed at the first start.
admin_secret = os.environ["ADMIN_SECRET"]
decision = log_in("admin", "console", ISSUER).actual_instance
assert isinstance(decision, pawl.EnrollDecision) and decision.enrollment
confirmed = enrollments.confirm_enrollment(pawl.ConfirmEnrollment(
    enrollment=decision.enrollment.handle, code=show_code(admin_secret)))
person = connect(next(token.access_token for token in confirmed.tokens if token.audience == ISSUER))

# A user whom Pawl does not know yet.
decision = log_in("ada", "console").actual_instance
assert isinstance(decision, pawl.EnrollDecision) and decision.challenge
ada = decision.user_id
shown = enrollments.begin_enrollment(pawl.BeginEnrollment(challenge=decision.challenge.handle))
confirmed = enrollments.confirm_enrollment(pawl.ConfirmEnrollment(
    enrollment=shown.enrollment, code=show_code(shown.secret)))
assert len(confirmed.recovery_codes) == 10
print("step enroll")

wait_for_the_next_code()
decision = log_in("ada", "console").actual_instance
assert isinstance(decision, pawl.ChallengeDecision)
verification = logins.verify_code(pawl.VerifyCode(
    challenge=decision.challenge.handle, code=show_code(shown.secret)))
assert verification.tokens[0].audience == "console"
print("step verify")

try:
    pawl.PetitionsApi(console).request_disable(ada, pawl.RequestDisable(
        petition=True, reason="my phone is at home today"))
    raise SystemExit("MFA was switched off")
except pawl.exceptions.ForbiddenException as refusal:
    problem = refusal.data
    assert isinstance(problem, pawl.Problem)
    assert problem.code is pawl.ProblemCode.MFA_MINUS_DISABLE_MINUS_REFUSED
    assert problem.type == "urn:pawl:problem:mfa-disable-refused"
    assert problem.petition_id
print("step refuse")

# The step-up carries the whole act; the operation carries the same again, with the proof.
override = pawl.RequestOverride(
    user_id=ada,
    kind=pawl.PetitionKind.EXEMPT,
    audiences=["console"],
    reason="phone forgotten, seen in person",
    expires_at=datetime.now(timezone.utc) + timedelta(hours=1),
)
step_up = pawl.LoginsApi(person).begin_step_up(pawl.Act(
    pawl.RequestOverrideAct(operation="requestOverride", body=override)))
override.proof = pawl.Proof(challenge=step_up.challenge.handle, code=show_code(admin_secret))
result = pawl.OverridesApi(person).request_override(override)
assert result.override.state is pawl.OverrideState.APPROVED
assert isinstance(log_in("ada", "console").actual_instance, pawl.ExemptDecision)
print("step override")

events: list[pawl.Event] = []
cursor, pages = None, 0
while True:
    page = pawl.EventsApi(person).list_events(cursor=cursor, limit=5)
    if not page.items:
        break
    events, cursor, pages = events + page.items, page.next_cursor, pages + 1
kinds = {event.kind for event in events}
assert pages > 1 and len({event.id for event in events}) == len(events)
assert {pawl.EventKind.DISABLE_DOT_REFUSED, pawl.EventKind.OVERRIDE_DOT_APPROVED} <= kinds
print("step list")
