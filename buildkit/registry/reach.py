"""Whether a registry can be reached from here, and what is in the way: for `buildkit doctor`.

The registry gets no login, and each request is sent once.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import requests

from buildkit.registry import answers, bases, exchange, links
from buildkit.registry.answers import Answer
from buildkit.registry.exchange import Request
from buildkit.registry.wire import Wire
from buildkit.support import clocks
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildkit.model.login import Login

UNAVAILABLE = 500


class Trouble(Enum):
    """What is in the way to a registry, or to an image in it."""

    CERTIFICATE = "certificate"
    PROXY = "proxy"
    UNREACHABLE = "unreachable"
    STRANGE = "strange"
    LOGIN = "login"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Reached:
    """A registry that answers; else the `trouble`, and `why`.

    `ahead` is how many seconds its clock is ahead of this machine's, None if it shows no time.
    """

    host: str
    trouble: Trouble | None = None
    why: str = ""
    hint: str = ""
    ahead: float | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """A base that its registry has; else the `trouble`, and `why`."""

    base: str
    host: str
    trouble: Trouble | None = None
    why: str = ""
    hint: str = ""


def look(host: str) -> Reached:
    """Ask a registry whether it is one. A refusal for want of a login is an answer."""
    with closing(Wire(host=host, login=lambda: None)) as wire:
        request = Request(
            host=host, method="GET", url=wire.root, home=links.origin(wire.root), headers={}
        )
        try:
            with closing(exchange.Session()) as session:
                came = exchange.follow(session, request, "")
                if not isinstance(came, Answer):
                    came = exchange.whole(session, request, came, 0)
            if came.is_page and came.status < UNAVAILABLE:
                raise answers.strange(host, came.asked, f"a web page{came.said}")
        except ToolError as error:
            return Reached(
                host=host, trouble=_trouble(error), why=error.message, hint=error.hint or ""
            )
    if came.status >= UNAVAILABLE:
        why = f"the registry {host} answered {came.status}{came.said}"
        return Reached(host=host, trouble=Trouble.UNREACHABLE, why=why)
    return Reached(host=host, ahead=clocks.ahead(came.headers.get("Date", "")))


def log_in(host: str) -> Found:
    """Try docker's login to a registry, if there is one."""
    try:
        with closing(bases.registry(host, {}, attempts=1)) as registry:
            registry.check()
    except ToolError as error:
        return Found(
            base="", host=host, trouble=_refused(error), why=error.message, hint=error.hint or ""
        )
    return Found(base="", host=host)


def find(base: str, logins: Mapping[str, Login]) -> Found:
    """Ask the registry of a base for its digest, with docker's login or one of these."""
    host, repository, reference = bases.located(base)
    try:
        with closing(bases.registry(host, logins, attempts=1)) as registry:
            digest = registry.digest(repository, reference)
    except ToolError as error:
        return Found(
            base=base, host=host, trouble=_refused(error), why=error.message, hint=error.hint or ""
        )
    if digest is None:
        why = f"{host} has no image `{repository}` with `{reference}`"
        return Found(base=base, host=host, trouble=Trouble.MISSING, why=why)
    return Found(base=base, host=host)


def _refused(error: ToolError) -> Trouble:
    """As `_trouble`, for an error that may be a registry's own."""
    found = _trouble(error)
    if found is not Trouble.STRANGE:
        return found
    return Trouble.LOGIN if re.search(r"\((?:401|403)\)", error.message) else Trouble.REFUSED


def _trouble(error: ToolError) -> Trouble:
    """What the error of a request is about: its cause is that of the network."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, requests.exceptions.SSLError):
            return Trouble.CERTIFICATE
        if isinstance(cause, requests.exceptions.ProxyError):
            return Trouble.PROXY
        if isinstance(cause, exchange.BROKEN):
            return Trouble.UNREACHABLE
        cause = cause.__cause__
    return Trouble.STRANGE
