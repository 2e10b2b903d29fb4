"""Addresses that a registry gives, and whose they are: a login stays where it belongs.

An address is taken apart in one way only: what two parsers may read differently is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

LONGEST = 16384
"""Characters. Storage signs addresses of some hundred."""
WRITTEN = re.compile(r"[\x21-\x7e]+")
NETWORK = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
"""No user, no password, nothing that is escaped."""
LETTER = re.compile("[A-Za-z0-9:]")
PORTS = {"http": 80, "https": 443}
TOKEN_SERVERS = {"registry-1.docker.io": "auth.docker.io"}
"""Docker Hub's, which is neither its registry nor above it."""


class Origin(NamedTuple):
    """Who is asked (RFC 6454): the same host at another port may be somebody else."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def origin(url: str) -> Origin:
    """Of an address that `resolved` has returned, or of one of ours."""
    parts = urlsplit(url)
    return Origin(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme])


def resolved(base: str, text: str) -> str:
    """The whole address that `text` is beside `base`, without a fragment.

    Raises ValueError for what is no address, or leads out of TLS.
    """
    if len(text) > LONGEST or not WRITTEN.fullmatch(text) or "\\" in text:
        raise ValueError("it is no address")
    try:
        given, url = urlsplit(text), urljoin(base, text).partition("#")[0]
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("it is no address") from None
    whole = not given.scheme or given.netloc
    if parts.scheme not in PORTS or not whole or not NETWORK.fullmatch(parts.netloc) or port == 0:
        raise ValueError("it is no address of HTTP")
    if not LETTER.search(host) or ".." in host:
        raise ValueError("it names no host")
    if urlsplit(base).scheme == "https" and parts.scheme != "https":
        raise ValueError("it leads from https to http")
    return url


def shown(url: str) -> str:
    """An address in an error: what stands behind the `?` may be a signature."""
    return url.partition("?")[0][:200]


def may_have_login(registry: str, realm: str) -> bool:
    """Whether a token server may be given the login of the registry at this address.

    It is the registry itself, or HTTPS at the usual port of the registry's host or of a domain
    above it, which could be that registry if it wanted: gitlab.com of registry.gitlab.com, and of
    gitlab.com:5050. `docker` trusts any address that a registry names.
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
    """An address with more behind its `?`. What is there stays as it is: it may be signed."""
    parts = urlsplit(url)
    return parts._replace(query=f"{parts.query}&{more}" if parts.query else more).geturl()
