"""HTTP to one registry: logins, certificates, and what heals by trying again."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
from requests.adapters import HTTPAdapter

from buildkit import manual, names, stopping
from buildkit.errors import ToolError, UnavailableError
from buildkit.registry import signing, words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkit.login import Login

Found = TypeVar("Found")
CONNECTIONS = 8
"""At once to one registry: ECR throttles by account and region, and more do not send faster."""
CONNECT_SECONDS = 10
"""For a connection. It only ends the wait for a host that says nothing."""
READ_SECONDS = 120
"""For the next bytes of an answer, which of large layers come late."""
LIMITS = (CONNECT_SECONDS, READ_SECONDS)
ATTEMPTS = 7
"""Some 15 seconds of pauses, unless the registry asks for longer ones."""
GROWING = tenacity.wait_exponential(multiplier=0.25, max=20) + tenacity.wait_random(0, 0.25)
LONGEST_PAUSE_SECONDS = 60
"""In seconds, whatever a registry asks for."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that another attempt may not meet."""
REFUSED = frozenset({401, 403})
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class PassingError(Exception):
    """What may be over at the next attempt. `after` is the pause the registry asks for, seconds."""

    def __init__(
        self, message: str, *, hint: str | None = None, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.after = after


@dataclass(kw_only=True)
class Wire:
    """Requests to one registry, at most CONNECTIONS at once. May be used by several threads.

    `login` makes a fresh login at each call, or None where nobody has one.
    """

    host: str
    login: Callable[[], Login | None]
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONNECTIONS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _logins: list[Login | None] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session = signing.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    @property
    def root(self) -> str:
        scheme = "http" if names.is_loopback(self.host) else "https"
        return f"{scheme}://{self.host}/v2/"

    def close(self) -> None:
        self._session.close()

    def again(self, work: Callable[[], Found], attempts: int = ATTEMPTS) -> Found:
        """Do `work` until it is not disturbed by something passing.

        Raises UnavailableError when patience ends, and what else `work` raises.
        """
        patient = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            stop=tenacity.stop_after_attempt(attempts),
            wait=_pause,
            sleep=stopping.pause,
            reraise=True,
        )
        try:
            return patient(work)
        except PassingError as error:
            raise UnavailableError(error.message, hint=error.hint) from error

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str = "",
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        absent: tuple[int, ...] = (),
        stream: bool = False,
    ) -> requests.Response | None:
        """One request; None for a status of `absent`.

        `path` is below /v2/, or a whole URL that the registry gave. `scope` is for the token. A
        `body` that can be used only once is a function whose result is entered for one request.
        With `stream` the caller reads the answer. Raises ToolError, or PassingError for `again`.
        """
        ask = partial(self._send, method, path, scope, headers or {}, body, stream=stream)
        answer = ask(refused=None)
        if signing.has_ended(answer):
            answer = ask(refused=answer.request.headers.get("Authorization"))
        if answer.status_code in absent:
            return None
        if answer.ok:
            return answer
        raise self._error(answer)

    def _send(
        self,
        method: str,
        path: str,
        scope: str,
        headers: Mapping[str, str],
        body: Any,
        *,
        stream: bool,
        refused: str | None,
    ) -> requests.Response:
        url = urljoin(self.root, path)
        # What a registry says of itself is followed elsewhere, but without its login.
        own = urlsplit(url)[:2] == urlsplit(self.root)[:2]
        login = self._authorization(scope, refused) if own else ""
        with self._free, ExitStack() as opened:
            stopping.check()
            data = opened.enter_context(body()) if callable(body) else body
            try:
                answer = self._session.request(
                    method,
                    url,
                    headers=headers,
                    auth=signing.Signed(login),
                    data=data,
                    stream=stream,
                    timeout=LIMITS,
                )
            except requests.exceptions.SSLError as error:
                raise ToolError(
                    f"the certificate of the registry {self.host} is not trusted: "
                    f"{words.reason(error)}",
                    hint="name your network's certificates in REQUESTS_CA_BUNDLE",
                ) from error
            except requests.RequestException as error:
                stopping.check()
                raise PassingError(
                    f"the registry {self.host} does not answer: {words.reason(error)}",
                    hint="check the registry's name and the network, then the same command "
                    "again: what is there already is kept",
                ) from error
        if own and answer.status_code == requests.codes.unauthorized:
            self._meet(answer, scope)
        return answer

    def _authorization(self, scope: str, refused: str | None) -> str:
        """The token or login for a request; another login than the one that was `refused`.

        Of several requests that were refused with one login the first gets a new one, for all.
        """
        with self._lock:
            if token := self._tokens.get(scope):
                return f"Bearer {token}"
            if not self._logins or signing.basic(self._logins[0]) == refused:
                self._logins[:] = [self.login()]
            return signing.basic(self._logins[0])

    def _meet(self, answer: requests.Response, scope: str) -> None:
        """Get the token that the registry wants instead of a login (distribution: token auth)."""
        kind, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        asked = dict(CHALLENGE.findall(rest))
        if kind.lower() != "bearer" or "realm" not in asked:
            return
        with self._lock:
            self._tokens.pop(scope, None)
            (login,) = self._logins or [None]
        wanted = {"service": asked.get("service", ""), "scope": scope or asked.get("scope", "")}
        with suppress(requests.RequestException, ValueError):
            told = self._session.get(
                asked["realm"],
                params={name: text for name, text in wanted.items() if text},
                auth=signing.Signed(signing.basic(login)),
                timeout=LIMITS,
            ).json()
            with self._lock:
                self._tokens[scope] = str(told.get("token") or told["access_token"])

    def _error(self, answer: requests.Response) -> Exception:
        said, status = words.said(answer), answer.status_code
        if status in REFUSED:
            what = "refuses the login" if status == requests.codes.unauthorized else "forbids this"
            return ToolError(
                f"the registry {self.host} {what} ({status}){said}",
                hint="log in again (`aws sso login`, or `docker login` to another registry); "
                f"actions that the role needs: {manual.page('publish', 'your-own-aws-account')}",
            )
        message = f"the registry {self.host} answered {status}{said}"
        hint = "the same command again continues: what is in the registry is kept"
        if status in PASSING:
            return PassingError(message, hint=hint, after=_asked_pause(answer))
        return ToolError(message, hint=hint)


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: what the registry asks for, else ever more, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, PassingError) and error.after is not None:
        return min(error.after, LONGEST_PAUSE_SECONDS)
    return GROWING(state)


def _asked_pause(answer: requests.Response) -> float | None:
    """Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None
