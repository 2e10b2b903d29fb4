"""One request to a registry and its redirections: what is sent along is decided at each step."""

from __future__ import annotations

import re
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import BadStatusLine
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from buildkit.registry import answers, links
from buildkit.registry.answers import Answer
from buildkit.support import addresses, proxies
from buildkit.support.errors import ToolError, UnavailableError
from buildkit.system import console, stopping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_SECONDS = 10
"""For a connection: the limit only ends the wait for a silent host."""
READ_SECONDS = 120
"""For the next bytes of an answer, which come late for large layers."""
SMALL_SECONDS = 60
"""For the same of a small answer: a registry may first fetch a manifest from another one."""
TELL_SECONDS = 10
"""Until a message says what a run is waiting for."""
WHOLE_SECONDS = 300
"""For a whole answer that is not a layer: a registry may send one byte at a time."""
MOVED = frozenset({301, 302, 307, 308})
"""Redirections. An upload keeps its method and body for all of them, as for 307 and 308."""
SEE_OTHER = 303
HOPS = 5
"""Redirections in a row: a registry's storage is one or two away."""
SUCCESS = range(200, 300)
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes that a retry may heal."""
BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""Errors of the network, also while an answer is read."""
STALLED = (requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
"""Those of an answer that does not come."""
CONNECTION = re.compile(r"^\w+\(host=[^)]*\): ")
"""The class of a connection, which urllib3 puts before a reason."""


class PassingError(UnavailableError):
    """An error that `Wire.again` retries. `after`: the pause in seconds that the registry wants.

    `stalled`: a small answer did not come in time, which takes as long at each attempt.
    """

    after: float | None = None
    stalled: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to the registry `host`. Its login is for `home` only; `url` may be elsewhere.

    A `body` that can be read only once is a function that opens it for one exchange. `is_small`:
    nothing large is sent or comes, so the registry answers soon.
    """

    host: str
    method: str
    url: str
    home: links.Origin
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_small: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """Seconds for the connection and for the next bytes of the answer."""
        return CONNECT_SECONDS, SMALL_SECONDS if self.is_small else READ_SECONDS

    @property
    def asked(self) -> str:
        """The request as errors name it, without the host."""
        _, _, path = links.shown(self.url).partition("://")
        return f"{self.method} /{path.partition('/')[2]}"


class Session(requests.Session):
    """A session without cookies, which may carry a login, and go to all ports of a host.

    It follows no redirection: the caller decides what is sent along.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Saves the time to unpack. Answers of registries that pack anyway are still understood.
        self.headers["Accept-Encoding"] = "identity"
        self._settings: dict[links.Origin, Any] = {}
        self._told = threading.Lock()

    def tell(self, message: str) -> None:
        """Say that the registry is slow, once for each session."""
        if self._told.acquire(blocking=False):
            console.say(message, fg="yellow")

    @contextmanager
    def watched(self, request: Request, url: str) -> Iterator[None]:
        """Say what is waited for, if a small answer takes longer than TELL_SECONDS."""
        if not request.is_small:
            yield
            return
        said = (
            f"{urlsplit(url).netloc} has not answered `{request.asked}` for {TELL_SECONDS} s: "
            f"waiting up to {SMALL_SECONDS} s for an answer"
        )
        timer = threading.Timer(TELL_SECONDS, self.tell, (said,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def merge_environment_settings(self, url: Any, *options: Any, **named: Any) -> Any:
        """Proxies and certificates, by the variables of the environment: read once for each host.

        `_exchange` has the same options for each request, and requests would spend half of its time
        here.
        """
        origin = links.origin(url)
        if origin not in self._settings:
            found = super().merge_environment_settings(url, *options, **named)
            self._settings[origin] = found
        return self._settings[origin]

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: otherwise requests reads the whole body of a redirection."""


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """A body in chunks, each as soon as some of it is there: `read` would wait for a full one.

    Raises TimeoutError if they take too long together.
    """
    end = time.monotonic() + WHOLE_SECONDS
    while chunk := response.raw.read1(answers.CHUNK, decode_content=False):
        if time.monotonic() > end:
            raise TimeoutError(f"the answer took more than {WHOLE_SECONDS} s")
        yield chunk


def follow(session: Session, request: Request, login: str) -> requests.Response | Answer:
    """Send a request and follow redirections. Returns an unread success, or a complete refusal.

    Other hosts get no login. Nor does the registry itself, once another host has redirected to it.
    Raises ToolError, or PassingError.
    """
    url, own = request.url, True
    for _ in range(HOPS + 1):
        own = own and links.origin(url) == request.home
        response = _exchange(session, request, url, login if own else "")
        try:
            refused = response.status_code not in SUCCESS and request.method != "HEAD"
            limit = answers.UNWANTED_BYTES if refused else None
            answers.check_length(response.headers, limit)
        except ValueError as error:
            response.close()
            raise answers.strange(request.host, request.asked, error) from error
        if response.status_code in SUCCESS:
            return response
        where = _location(request, response)
        content = _beginning(response)
        if where is None:
            return Answer(
                host=request.host,
                asked=request.asked,
                url=url,
                status=response.status_code,
                headers=response.headers,
                content=content,
                own=own,
                login=login if own else "",
            )
        part = f"a redirection to `{links.shown(where)}`: "
        with answers.usable(request.host, request.asked, part):
            url = links.resolved(url, where)
    raise answers.strange(request.host, request.asked, f"more than {HOPS} redirections in a row")


def whole(session: Session, request: Request, response: requests.Response, most: int) -> Answer:
    """An answer of at most `most` bytes; with 0, the content is optional and may be cut off.

    Raises ToolError, or PassingError.
    """
    encoding = response.headers.get("Content-Encoding", "")
    read = answers.content if most else answers.beginning
    with (
        answers.usable(request.host, request.asked),
        closing(response),
        session.watched(request, response.url),
        translated(request.host, is_small=request.is_small),
    ):
        if request.method != "HEAD":  # which states the length of a body that it does not have
            limit = answers.most_sent(most, encoding) if most else answers.UNWANTED_BYTES
            answers.check_length(response.headers, limit)
        content = read(_chunks(response), encoding, most or answers.WORDS_BYTES)
    return Answer(
        host=request.host,
        asked=request.asked,
        url=response.url,
        status=response.status_code,
        headers=response.headers,
        content=content,
        next=response.links.get("next", {}).get("url", ""),
    )


@contextmanager
def translated(host: str, *, is_small: bool) -> Iterator[None]:
    """Turn errors of the network into PassingError, or ToolError if a retry cannot help."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise ToolError(
            f"the certificate of the registry {host} is not trusted: {_reason(error)}",
            hint="set REQUESTS_CA_BUNDLE to your network's certificates",
        ) from error
    except requests.exceptions.ProxyError as error:
        stopping.check()
        raise _of_proxy(host, error) from error
    except BROKEN as error:
        stopping.check()
        passing = PassingError(
            f"the registry {host} does not answer: {_reason(error)}",
            hint="check the registry's name and the network with `buildkit doctor`, then rerun the "
            "command; finished uploads are not repeated",
        )
        passing.stalled = is_small and isinstance(error, STALLED)
        raise passing from error


def _of_proxy(host: str, error: Exception) -> ToolError:
    status = proxies.refusal(error)
    if status is None:
        return PassingError(
            f"the proxy on the way to the registry {host} does not answer: {_reason(error)}",
            hint="check HTTPS_PROXY and the network",
        )
    refused = PassingError if int(status[:3]) in PASSING else ToolError
    return refused(
        f"the proxy refuses the connection to the registry {host}: {status}",
        hint=proxies.hint(status, host),
    )


def _reason(error: BaseException) -> str:
    """The reason of a network error, without the classes that urllib3 wraps around it."""
    inside = [getattr(error, "reason", None), *error.args]
    wrapped = next((each for each in inside if isinstance(each, BaseException)), None)
    if wrapped is not None:
        return _reason(wrapped)
    text = CONNECTION.sub("", str(error)).strip()
    if isinstance(error, BadStatusLine) and not isinstance(error, OSError):
        text = f"the answer is not HTTP: {text}"
    return addresses.hidden(text)


def _exchange(session: Session, request: Request, url: str, login: str) -> requests.Response:
    """One request and its answer. The body is read from its start."""
    with ExitStack() as opened:
        stopping.check()
        body = request.body
        data = opened.enter_context(body()) if callable(body) else body
        named = links.origin(url).host if links.origin(url) != request.home else ""
        who = f"{request.host}, redirecting to {named}," if named else request.host
        opened.enter_context(session.watched(request, url))
        with translated(who, is_small=request.is_small):
            return session.request(
                request.method,
                url,
                headers={**request.headers, "Authorization": login or None},
                auth=_as_given,
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=request.limits,
            )


def _as_given(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """No other login than the given one. Without an `auth`, requests would read ~/.netrc."""
    return prepared


def _location(request: Request, response: requests.Response) -> str | None:
    """Where an answer redirects to. After 303, only GET and HEAD may be repeated there."""
    status = response.status_code
    if status in MOVED or (status == SEE_OTHER and request.method in ("GET", "HEAD")):
        return response.headers.get("Location")
    return None


def _beginning(response: requests.Response) -> bytes:
    with closing(response), suppress(*BROKEN):
        encoding = response.headers.get("Content-Encoding", "")
        return answers.beginning(_chunks(response), encoding)
    return b""
