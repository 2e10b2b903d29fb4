"""Sessions that send the given login, and no other that requests might find."""

from __future__ import annotations

import base64
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from buildkit.model.login import Login
    from buildkit.registry.answers import Answer


class Signed(requests.auth.AuthBase):
    """The header of a login, if any. Without an `auth`, requests would read ~/.netrc."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._text:
            request.headers["Authorization"] = self._text
        return request


class Session(requests.Session):
    """A session without cookies, which may carry a login, and go to all ports of a host.

    It follows no redirection: the caller decides what is sent along.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # Saves the time to unpack. Answers of registries that pack anyway are still understood.
        self.headers["Accept-Encoding"] = "identity"

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: otherwise requests reads the whole body of a redirection."""


def basic(login: Login | None) -> str:
    """The header of a login, in UTF-8 as docker sends it (RFC 7617); "" without one."""
    if login is None:
        return ""
    return f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def has_ended(answer: Answer) -> bool:
    """Whether a login has expired; ECR then answers 403, as for a missing permission."""
    return answer.own and (
        answer.status == requests.codes.unauthorized
        or (answer.status == requests.codes.forbidden and b"expired" in answer.content.lower())
    )
