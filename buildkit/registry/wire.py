"""HTTP to one registry: logins, certificates, retries."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import requests
import tenacity
from requests.adapters import HTTPAdapter

from buildkit.model import names
from buildkit.model.hosts import DOCKER_HUB, ECR_HOST
from buildkit.registry import answers, challenges, exchange, links, shapes
from buildkit.registry.answers import Answer
from buildkit.registry.exchange import PASSING, TELL_SECONDS, PassingError, Request
from buildkit.support import clocks, manual
from buildkit.support.errors import ToolError, UnavailableError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildkit.model.login import Login

Found = TypeVar("Found")
CONNECTIONS = 8
"""In parallel to one registry: ECR throttles by account and region, and more are not faster."""
ATTEMPTS = 7
"""With some 15 seconds of pauses, unless the registry asks for longer ones."""
STALLS = 2
"""Attempts for a small answer that does not come: more of them would wait for many minutes."""
GROWING = tenacity.wait_exponential(multiplier=0.125, max=10) + tenacity.wait_random_exponential(
    multiplier=0.25, max=10
)
"""Half of it at random, so that two runs that collide part more with each attempt."""
LONGEST_PAUSE_SECONDS = 60
"""The longest pause, even if a registry asks for more."""
REFUSED = frozenset({401, 403})
ECR_USER = "AWS"
"""The user of all logins to ECR."""
NETWORK = {
    407: "a proxy asks for a login: put its user and password into HTTPS_PROXY or HTTP_PROXY",
    511: "log in to the network: open any web page in a browser of this machine",
}
"""Hints for status codes that no registry sends, but a proxy or a network."""


class RefusedError(ToolError):
    """A registry refuses a request. `codes` are its error codes."""

    codes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Wire:
    """Requests to one registry, at most CONNECTIONS at once. May be used by several threads.

    `login` returns a fresh login at each call, or None if there is none. It is sent to the registry
    itself, by scheme, host and port, and to a token server that may have it (`links`). `attempts`
    is how often a request is sent that fails for a passing reason; None: ATTEMPTS.
    """

    host: str
    login: Callable[[], Login | None]
    attempts: int | None = None
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONNECTIONS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _logins: list[Login | None] = field(default_factory=list)
    _tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._session = exchange.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))

    @property
    def root(self) -> str:
        scheme = "http" if names.is_loopback(self.host) else "https"
        return f"{scheme}://{self.host}/v2/"

    def close(self) -> None:
        self._session.close()

    def again(self, work: Callable[[], Found], attempts: int | None = None) -> Found:
        """Do `work`, and retry it after each PassingError, but not after STALLS stalled ones.

        Raises UnavailableError after the last attempt, which no outer `again` retries.
        """
        most, stalls = attempts or self.attempts or ATTEMPTS, 0

        def counted() -> Found:
            nonlocal stalls
            try:
                return work()
            except PassingError as error:
                stalls += error.stalled
                raise

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            stop=lambda state: state.attempt_number >= most or stalls >= STALLS,
            wait=_pause,
            sleep=stopping.pause,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            return retrying(counted)
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
        most: int = 0,
    ) -> Answer | None:
        """Send one request; None if the host that is asked answers with a status in `absent`.

        `path` is below /v2/, or a URL that the registry gave. `scope` is for the token. A `body`
        that can be read only once is a function that opens it for one request. `most` is the limit
        in bytes for an answer whose content is needed; without it, only the beginning is kept.
        Raises ToolError, or PassingError for `again`.
        """
        request = self._request(
            method,
            path,
            scope=scope,
            headers=headers or {},
            body=body,
            is_small=method in ("GET", "HEAD"),
        )
        with self._free:
            came = self._ask(request)
            if isinstance(came, requests.Response):
                return exchange.whole(self._session, request, came, most)
        self._refuse(request, came, absent)
        return None

    @contextmanager
    def stream(
        self, path: str, *, scope: str, absent: tuple[int, ...] = ()
    ) -> Iterator[requests.Response | None]:
        """Send a GET whose answer the caller reads in chunks; None as `send`."""
        request = self._request("GET", path, scope=scope)
        with self._free:
            came = self._ask(request)
        if isinstance(came, Answer):
            self._refuse(request, came, absent)
            yield None
            return
        with closing(came):
            yield came

    def _tell(self, state: tenacity.RetryCallState) -> None:
        """Say why a request is sent again, if the registry has been silent for long."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PassingError) and (state.seconds_since_start or 0) >= TELL_SECONDS:
            self._session.tell(f"{error.message}: trying again")

    def _request(self, method: str, path: str, **options: Any) -> Request:
        with answers.usable(self.host, f"{method} {links.shown(path)}"):
            url = links.resolved(self.root, path)
        home = links.origin(self.root)
        return Request(host=self.host, method=method, url=url, home=home, **options)

    def _refuse(self, request: Request, came: Answer, absent: tuple[int, ...]) -> None:
        """Raise the error of a refusal, unless its status means that the registry has none.

        Another host, to which the registry redirects, does not know what the registry has.
        """
        is_elsewhere = links.origin(came.url) != links.origin(request.url)
        if is_elsewhere or came.status not in absent:
            raise self._error(came)

    def _ask(self, request: Request) -> requests.Response | Answer:
        """An unread success, or a complete refusal. An expired login is renewed once."""
        came = self._with_login(request, None)
        if isinstance(came, Answer) and came.says_expired:
            return self._with_login(request, came.login)
        return came

    def _with_login(self, request: Request, refused: str | None) -> requests.Response | Answer:
        own = links.origin(request.url) == request.home
        login = self._authorization(request.scope, refused) if own else ""
        came = exchange.follow(self._session, request, login)
        if isinstance(came, Answer) and came.own and came.status == requests.codes.unauthorized:
            self._get_token(came, request.scope)
        return came

    def _authorization(self, scope: str, refused: str | None) -> str:
        """The token or login for a request; a new login instead of one that was `refused`.

        If several requests were refused with the same login, the first one renews it for all.
        """
        with self._lock:
            if token := self._tokens.get(scope):
                return f"Bearer {token}"
            if not self._logins or _basic(self._logins[0]) == refused:
                self._logins[:] = [self.login()]
            return _basic(self._logins[0])

    def _get_token(self, answer: Answer, scope: str) -> None:
        """Get the token that the registry asks for (distribution: token authentication)."""
        asked = challenges.bearer(answer.headers.get("WWW-Authenticate", ""))
        if not asked:
            return
        with self._lock:
            self._tokens.pop(scope, None)
            (login,) = self._logins or [None]
        realm = self._realm(asked["realm"], login)
        wanted = {"service": asked.get("service", ""), "scope": scope or asked.get("scope", "")}
        query = urlencode({name: text for name, text in wanted.items() if text})
        request = Request(
            host=self.host,
            method="GET",
            url=links.with_query(realm, query),
            home=links.origin(realm),
            is_small=True,
        )
        came = exchange.follow(self._session, request, _basic(login))
        if isinstance(came, Answer):
            if came.status in REFUSED:  # so does the registry; another login may be accepted
                return
            raise self._error(came)
        token = exchange.whole(self._session, request, came, answers.TOKEN_BYTES).read(shapes.Token)
        with self._lock:
            self._tokens[scope] = token.text

    def _realm(self, text: str, login: Login | None) -> str:
        """The address of the token server. Raises ToolError if it may not get the login."""
        try:
            realm = links.resolved(self.root, text)
        except ValueError as error:
            raise ToolError(
                f"the registry {self.host} names the unusable token server "
                f"`{links.shown(text)}`: {error}",
                hint=f"check that {self.host} is a registry, and that no proxy answers for it",
            ) from error
        if login is not None and not links.may_have_login(self.root, realm):
            raise ToolError(
                f"the registry {self.host} asks for its login to be sent to another host, "
                f"{links.shown(realm)}: the login was not sent",
                hint="check the registry's name; with a token server outside its own domain, a "
                "registry works only without a login",
            )
        return realm

    def _refusal(self, status: int, said: str) -> ToolError:
        """The error for a login or a permission that is missing in the registry itself."""
        with self._lock:
            (login,) = self._logins or [None]
        denied = "refuses the login" if status == requests.codes.unauthorized else "denies access"
        log_in = "docker login" if self.host == DOCKER_HUB else f"docker login {self.host}"
        if ECR_HOST.fullmatch(self.host) or (login is not None and login.user == ECR_USER):
            page = manual.page("publish", "your-own-aws-account")
            hint = f"log in again with `aws sso login`; permissions: {page}"
        elif login is not None:
            hint = f"log in again with `{log_in}`, as a user with this permission"
        else:
            denied = "asks for a login, and docker has none with a user and a password"
            hint = f"run `{log_in}`; buildkit does not use identity tokens"
        return ToolError(f"the registry {self.host} {denied} ({status}){said}", hint=hint)

    def _error(self, answer: Answer) -> ToolError:
        said, status = answer.said, answer.status
        who = f"the registry {self.host}"
        hint = NETWORK.get(status, "rerun the command; finished uploads are not repeated")
        if links.origin(answer.url) != links.origin(self.root):
            who = f"{links.shown(answer.url)}, where {who} redirects,"
            if status == requests.codes.not_found:
                hint = f"check for a proxy or a login page in front of {self.host}"
        elif status in REFUSED:
            return self._refusal(status, said)
        message = f"{who} answered {status}{said}"
        if status in PASSING:
            passing = PassingError(message, hint=hint)
            passing.after = _asked_pause(answer)
            return passing
        refused = RefusedError(message, hint=hint)
        refused.codes = tuple(each.code for each in answer.problems)
        return refused


def _basic(login: Login | None) -> str:
    return "" if login is None else f"Basic {login.basic}"


def _pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: as the registry asks, else growing, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, PassingError) and error.after is not None:
        return min(error.after, LONGEST_PAUSE_SECONDS)
    return GROWING(state)


def _asked_pause(answer: Answer) -> float | None:
    """Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("Retry-After", "")
    if text.isascii() and text.isdigit():
        return float(text)
    ahead = clocks.ahead(text)
    return None if ahead is None else max(0.0, ahead)
