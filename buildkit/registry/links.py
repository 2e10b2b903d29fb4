"""Addresses that a registry gives, and whether they may have its login.

There is one parser: an address that two parsers may read differently is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from buildkit.model.hosts import DOCKER_HUB

LONGEST = 16384
"""Characters. Signed addresses of storage have some hundred."""
WRITTEN = re.compile(r"[\x21-\x7e]+")
NETWORK = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""Without a user, a password or escapes."""
LETTER = re.compile("[A-Za-z0-9:]")
PORTS = {"http": 80, "https": 443}
TOKEN_SERVERS = {DOCKER_HUB: "auth.docker.io"}
"""Docker Hub's token server is neither its registry's host nor a domain above it."""


class Origin(NamedTuple):
    """Scheme, host and port (RFC 6454): another port of a host may have another owner."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def origin(url: str) -> Origin:
    """The origin of an address that `resolved` has returned, or of one of ours."""
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme])


def resolved(base: str, text: str) -> str:
    """The absolute address of `text` relative to `base`, without a fragment.

    Raises ValueError if `text` is not an address, or leads from HTTPS to HTTP.
    """
    if len(text) > LONGEST or not WRITTEN.fullmatch(text) or "\\" in text:
        raise ValueError("not an address")
    try:
        given, url = urlsplit(text), urljoin(base, text).partition("#")[0]
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not an address") from None
    whole = not given.scheme or given.netloc
    if parts.scheme not in PORTS or not whole or not NETWORK.fullmatch(parts.netloc) or port == 0:
        raise ValueError("not an HTTP address")
    if not LETTER.search(host) or ".." in host:
        raise ValueError("the address has no host")
    if urlsplit(base).scheme == "https" and parts.scheme != "https":
        raise ValueError("the address leads from https to http")
    return url


def shown(url: str) -> str:
    """An address for an error message, without its query, which may hold a signature."""
    return url.partition("?")[0][:200]


def may_have_login(registry: str, realm: str) -> bool:
    """Whether a token server may get the login of the registry at this address.

    It may if it is the registry itself, or HTTPS at the usual port of the registry's host or of a
    domain above it, whose owner controls the registry anyway: gitlab.com for registry.gitlab.com
    and gitlab.com:5050. `docker` trusts any address that a registry names.
    """
    own, asked = origin(registry), origin(realm)
    if asked == own:
        return True
    if (own.scheme, asked.scheme, asked.port) != ("https", "https", PORTS["https"]):
        return False
    if asked.host in (own.host, TOKEN_SERVERS.get(own.host)):
        return True
    is_name = not own.host.rpartition(".")[2].isdigit()
    return is_name and "." in asked.host and own.host.endswith(f".{asked.host}")


def with_query(url: str, more: str) -> str:
    """An address with a longer query. The existing query is not changed: it may be signed."""
    parts = urlsplit(url)
    return parts._replace(query=f"{parts.query}&{more}" if parts.query else more).geturl()
