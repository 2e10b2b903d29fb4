"""Whose requests they are: the login that is wanted, and no other that requests might find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from buildkit.login import Login


class Signed(requests.auth.AuthBase):
    """The header of a login, or none. Without an `auth`, requests takes what ~/.netrc says."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._text:
            request.headers["Authorization"] = self._text
        return request


class Session(requests.Session):
    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        """After a redirection: nobody else gets the login, nor a login of ~/.netrc."""
        if self.should_strip_auth(response.request.url, prepared_request.url):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def basic(login: Login | None) -> str:
    return requests.auth._basic_auth_str(login.user, login.password) if login else ""  # noqa: SLF001


def has_ended(answer: requests.Response) -> bool:
    """Whether a login is not good any more; ECR says 403 then, as for what a role may not do."""
    return answer.status_code == requests.codes.unauthorized or (
        answer.status_code == requests.codes.forbidden and b"expired" in answer.content.lower()
    )
