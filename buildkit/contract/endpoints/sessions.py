"""The clause of stateful sessions (SESS-01): a session is opened, used and closed."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK
from buildkit.contract.hosting.server import named

if TYPE_CHECKING:
    from buildkit.contract.hosting.server import Serving
    from buildkit.model.target import Payload

HEADER = "x-amzn-sagemaker-session-id"
OPENED = ("x-amzn-sagemaker-new-session-id", HEADER)
"""Headers with a new id: of the API model and AWS's hosting library, and of the older guide."""
CLOSED = "x-amzn-sagemaker-closed-session-id"
NEW = "NEW_SESSION"
FORM = re.compile(
    r"([a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,255});\s?Expires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
)
LONGEST = 256
SERVED = starting.of("`serve` with the model, and sessions")


@check("SESS-01", SERVED, decides=True)
def opens(serving: Serving) -> None:
    """With Session-Id NEW_SESSION, a sample gets a new id and Expires in (New-)Session-Id."""
    ids = [_opened(serving)[0] for _ in range(2)]
    if ids[0] == ids[1]:
        raise Broken(f"two new sessions have the same id {ids[0]}")


@check("SESS-01", SERVED)
def uses_and_closes(serving: Serving) -> None:
    """Samples with the id get 200; one of them ends the session, and a header says so."""
    session, payload = _opened(serving)
    answer = serving.invoke(payload, {HEADER: session})
    if answer.status != OK:
        raise Broken(f"a request in an open session was answered with {answer.shown()}")
    answered: set[Payload] = set()
    for _ in range(2):  # a session that has ended silently refuses what it accepted before
        for each in serving.payloads:
            answer = serving.invoke(each, {HEADER: session})
            closed = answer.headers.get(CLOSED)
            if closed is not None and closed.strip() != session:
                raise Broken(
                    f"{named(each)} in session {session} closed the session {closed[:300]!r}"
                )
            if closed is not None:
                return
            if answer.status != OK and each in answered:
                raise Broken(
                    f"session {session} ended, but no answer had the header {CLOSED}: "
                    f"{named(each)} was answered with 200, and then with {answer.shown()}"
                )
            if answer.status == OK:
                answered.add(each)
    raise Doubtful(f"no sample closes a session: no answer has the header {CLOSED}")


def _opened(serving: Serving) -> tuple[str, Payload]:
    """A new session, and the first sample that opens one. Raises Broken or Unseen."""
    serving.a_payload()
    evidence = []
    for payload in serving.payloads:
        answer = serving.invoke(payload, {HEADER: NEW})
        name = next((each for each in OPENED if each in answer.headers), None)
        if name is not None and answer.status == OK:
            return session_id(name, answer.headers[name], serving.container.now()), payload
        evidence.append(answer.status)
    if OK not in evidence:
        raise Unseen("no sample is answered with 200")
    raise Broken(
        f"with {HEADER}: {NEW} on each sample, no answer has the header {' or '.join(OPENED)}"
    )


def session_id(header: str, value: str, now: float) -> str:
    """The id of an opened session. Raises Broken if the header has another form.

    `now` is the second of the engine's clock, which is also the server's.
    """
    found = FORM.fullmatch(value.strip())
    if found is None or len(found[1]) > LONGEST:
        raise Broken(f"{header} is {value[:300]!r}, not <id>; Expires=yyyy-mm-ddThh:mm:ssZ")
    try:
        expires = datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Broken(f"{header} expires at an invalid time: {found[2]}") from error
    if expires.timestamp() < now:
        raise Doubtful(f"{header} expires in the past, at {found[2]}")
    return found[1]
