"""The login to a registry."""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Login:
    """The user and password for a registry. Never printed, never on a command line."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """As HTTP and docker's configuration write it, in UTF-8 as docker does (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password=…)"
