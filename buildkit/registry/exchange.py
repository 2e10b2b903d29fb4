"""One request to a registry and where it leads: at each step it is decided what goes along."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
import urllib3.exceptions

from buildkit.registry import answers, links, messages, signing
from buildkit.registry.answers import Answer
from buildkit.support.errors import ToolError
from buildkit.system import stopping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONNECT_SECONDS = 10
"""For a connection. It only ends the wait for a host that says nothing."""
READ_SECONDS = 120
"""For the next bytes of an answer, which of large layers come late."""
LIMITS = (CONNECT_SECONDS, READ_SECONDS)
WHOLE_SECONDS = 300
"""For all of an answer that is no layer: a registry may send one byte at a time."""
MOVED = frozenset({301, 302, 307, 308})
"""Redirections. What was to be stored stays that, with its body, as with 307 and 308."""
SEE_OTHER = 303
HOPS = 5
"""Redirections in a row: a registry's storage is one away, at times two."""
SUCCESS = range(200, 300)
BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
"""What the network does, also while an answer is read."""


class PassingError(Exception):
    """What may be over at the next attempt. `after` is the pause the registry asks for, seconds."""

    def __init__(
        self, message: str, *, hint: str | None = None, after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.after = after


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the registry `host` is asked. `home` is whom its login is for; `url` may be elsewhere.

    A `body` that can be used only once is a function whose result is entered for one exchange.
    """

    host: str
    method: str
    url: str
    home: links.Origin
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def asked(self) -> str:
        """As errors name it, without the host."""
        _, _, path = links.shown(self.url).partition("://")
        return f"{self.method} /{path.partition('/')[2]}"


class _Timely:
    """A body that does not come for ever."""

    def __init__(self, source: answers.Source) -> None:
        self._source = source
        self._end = time.monotonic() + WHOLE_SECONDS

    def read(self, amt: int, *, decode_content: bool) -> bytes:
        if time.monotonic() > self._end:
            raise TimeoutError(f"its answer took more than {WHOLE_SECONDS} s")
        return self._source.read(amt, decode_content=decode_content)


def follow(session: signing.Session, request: Request, login: str) -> requests.Response | Answer:
    """Ask, and go where the answer leads: an answer to be read, or a whole one that refuses.

    Whoever is somebody else gets no login. Nor does the registry itself, once somebody else has
    said what to ask it. Raises ToolError, or PassingError.
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
                own=own,
                login=login if own else "",
                status=response.status_code,
                headers=response.headers,
                content=content,
            )
        try:
            url = links.resolved(url, where)
        except ValueError as error:
            named = f"a redirection to `{links.shown(where)}`: {error}"
            raise answers.strange(request.host, request.asked, named) from error
    raise answers.strange(request.host, request.asked, f"more than {HOPS} redirections in a row")


def whole(request: Request, response: requests.Response, most: int) -> Answer:
    """An answer of at most so many bytes; of one that nobody wants (0) only the beginning.

    Raises ToolError, or PassingError.
    """
    encoding = response.headers.get("Content-Encoding", "")
    read = answers.content if most else answers.beginning
    try:
        with closing(response), translated(request.host):
            if request.method != "HEAD":  # whose length is that of what it has not
                limit = answers.most_sent(most, encoding) if most else answers.UNWANTED_BYTES
                answers.check_length(response.headers, limit)
            content = read(_Timely(response.raw), encoding, most or answers.WORDS_BYTES)
    except ValueError as error:
        raise answers.strange(request.host, request.asked, error) from error
    return Answer(
        host=request.host,
        asked=request.asked,
        url=response.url,
        own=True,
        login="",
        status=response.status_code,
        headers=response.headers,
        content=content,
        next=response.links.get("next", {}).get("url", ""),
    )


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Raises PassingError for what the network does, ToolError where that will not pass."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise ToolError(
            f"the certificate of the registry {host} is not trusted: {messages.reason(error)}",
            hint="name your network's certificates in REQUESTS_CA_BUNDLE",
        ) from error
    except BROKEN as error:
        stopping.check()
        raise PassingError(
            f"the registry {host} does not answer: {messages.reason(error)}",
            hint="check the registry's name and the network, then rerun the command: what the "
            "registry holds already is kept",
        ) from error


def _exchange(
    session: signing.Session, request: Request, url: str, login: str
) -> requests.Response:
    """One request and its answer. The body is read from its beginning."""
    with ExitStack() as opened:
        stopping.check()
        body = request.body
        data = opened.enter_context(body()) if callable(body) else body
        named = links.origin(url).host if links.origin(url) != request.home else ""
        with translated(f"{request.host}, which leads to {named}," if named else request.host):
            return session.request(
                request.method,
                url,
                headers=request.headers,
                auth=signing.Signed(login),
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=LIMITS,
            )


def _location(request: Request, response: requests.Response) -> str | None:
    """Where an answer leads. What is stored is stored by no other method: 303 leads no PUT on."""
    status = response.status_code
    if status in MOVED or (status == SEE_OTHER and request.method in ("GET", "HEAD")):
        return response.headers.get("Location")
    return None


def _beginning(response: requests.Response) -> bytes:
    with closing(response), suppress(*BROKEN):
        encoding = response.headers.get("Content-Encoding", "")
        return answers.beginning(_Timely(response.raw), encoding)
    return b""
