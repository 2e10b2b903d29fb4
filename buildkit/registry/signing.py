"""Whose requests they are: the login that is wanted, and no other that requests might find."""

from __future__ import annotations

import base64
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from buildkit.model.login import Login
    from buildkit.registry.answers import Answer


class Signed(requests.auth.AuthBase):
    """The header of a login, or none. Without an `auth`, requests takes what ~/.netrc says."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._text:
            request.headers["Authorization"] = self._text
        return request


class Session(requests.Session):
    """It keeps no cookies, which may stand for a login and go to all ports of a host.

    It follows no redirection: whoever asks decides what goes along.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Registries that pack all the same are understood; to unpack is only work here.
        self.headers["Accept-Encoding"] = "identity"

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, or the whole body of a redirection is read, and parsed where it leads."""


def basic(login: Login | None) -> str:
    """The header of a login, in UTF-8 as docker has it (RFC 7617); "" without one."""
    if login is None:
        return ""
    return f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def has_ended(answer: Answer) -> bool:
    """Whether a login is not good any more; ECR says 403 then, as for what a role may not do."""
    return answer.own and (
        answer.status == requests.codes.unauthorized
        or (answer.status == requests.codes.forbidden and b"expired" in answer.content.lower())
    )
