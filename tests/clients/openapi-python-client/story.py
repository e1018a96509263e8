"""The whole story with the client that openapi-python-client makes."""

import os
import subprocess
import time
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from pawl_client import AuthenticatedClient, models
from pawl_client.api.enrollments import begin_enrollment, confirm_enrollment
from pawl_client.api.events import list_events
from pawl_client.api.logins import begin_step_up, evaluate_login, verify_code
from pawl_client.api.overrides import request_override
from pawl_client.api.petitions import request_disable
from pawl_client.types import UNSET, Unset

T = TypeVar("T")
CLIENT_KEY, ISSUER = os.environ["CONSOLE_KEY"], os.environ["CONSOLE_ISSUER"]


def connect(credential: str) -> AuthenticatedClient:
    return AuthenticatedClient(base_url=os.environ["PAWL_BASE_URL"], token=credential, raise_on_unexpected_status=True)


def expect(kind: type[T], answer: object) -> T:
    """The answer that this caller goes on with; a problem, too, is an answer."""
    if not isinstance(answer, kind):
        raise AssertionError(answer)
    return answer


def show_code(secret: str) -> str:
    """What the phone shows."""
    return subprocess.check_output(["oathtool", "--totp", "--base32", secret], text=True).strip()


def wait_for_the_next_code() -> None:
    """A code works once."""
    time.sleep(30 - time.time() % 30)


console = connect(CLIENT_KEY)


def log_in(user: str, *audiences: str) -> object:
    """The console checked the password; what now?"""
    return evaluate_login.sync(client=console, body=models.EvaluateLogin(
        external_id=user,
        display_name=user,
        audiences=list(audiences),
        primary_login=models.PrimaryLogin(method=models.PrimaryMethod.PASSWORD, at=datetime.now(timezone.utc)),
    ))


def confirm(enrollment: str, secret: str) -> models.EnrollmentConfirmed:
    body = models.ConfirmEnrollment(enrollment=enrollment, code=show_code(secret))
    return expect(models.EnrollmentConfirmed, confirm_enrollment.sync(client=console, body=body))


# The first administrator's secret was printed at the first start.
admin_secret = os.environ["ADMIN_SECRET"]
enroll = expect(models.EnrollDecision, log_in("admin", "console", ISSUER))
confirmed = confirm(expect(models.OpenEnrollment, enroll.enrollment).handle, admin_secret)
person = connect(next(token.access_token for token in confirmed.tokens if token.audience == ISSUER))

# A user whom Pawl does not know yet.
enroll = expect(models.EnrollDecision, log_in("ada", "console"))
ada = enroll.user_id
shown = expect(models.EnrollmentSecret, begin_enrollment.sync(client=console, body=models.BeginEnrollment(
    challenge=expect(models.OpenChallenge, enroll.challenge).handle)))
assert len(confirm(shown.enrollment, shown.secret).recovery_codes) == 10
print("step enroll")

wait_for_the_next_code()
decision = expect(models.ChallengeDecision, log_in("ada", "console"))
issued = expect(models.Verification, verify_code.sync(client=console, body=models.VerifyCode(
    challenge=decision.challenge.handle, code=show_code(shown.secret))))
assert issued.tokens[0].audience == "console"
print("step verify")

problem = expect(models.Problem, request_disable.sync(
    ada, client=console, body=models.RequestDisable(petition=True, reason="my phone is at home today")))
assert problem.code is models.ProblemCode.MFA_DISABLE_REFUSED
assert problem.type_ == "urn:pawl:problem:mfa-disable-refused"
assert problem.petition_id
print("step refuse")

# The step-up carries the whole act; the operation carries the same again, with the proof.
override = models.RequestOverride(
    user_id=ada,
    kind=models.PetitionKind.EXEMPT,
    audiences=["console"],
    reason="phone forgotten, seen in person",
    expires_at=datetime.now(timezone.utc) + timedelta(hours=1),
)
step_up = expect(models.StepUp, begin_step_up.sync(client=person, body=models.RequestOverrideAct(
    operation=models.RequestOverrideActOperation.REQUESTOVERRIDE, body=override)))
override.proof = models.Proof(challenge=step_up.challenge.handle, code=show_code(admin_secret))
result = expect(models.OverrideResult, request_override.sync(client=person, body=override))
assert result.override.state is models.OverrideState.APPROVED
expect(models.ExemptDecision, log_in("ada", "console"))
print("step override")

events: list[models.Event] = []
cursor: str | Unset = UNSET
pages = 0
while True:
    page = expect(models.EventPage, list_events.sync(client=person, cursor=cursor, limit=5))
    if not page.items:
        break
    events, cursor, pages = events + page.items, page.next_cursor, pages + 1
kinds = {event.kind for event in events}
assert pages > 1 and len({event.id for event in events}) == len(events)
assert {models.EventKind.DISABLE_REFUSED, models.EventKind.OVERRIDE_APPROVED} <= kinds
print("step list")
