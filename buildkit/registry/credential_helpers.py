"""docker's credential helpers: programs that keep logins (docker/docker-credential-helpers)."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field

from buildkit.model.login import Login
from buildkit.registry import shapes
from buildkit.support import addresses, decode
from buildkit.support.errors import ToolError
from buildkit.system import shell

PREFIX = "docker-credential-"
IDENTITY_TOKEN = "<token>"  # noqa: S105 - the name of a kind
"""The user in the answer of a helper that has only an identity token."""
NONE = "credentials not found in native keychain"
"""What a helper says that has no login to a host."""
LONGEST = 200
"""Characters that a message quotes of a helper."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The answer of a helper."""

    user: str = field(metadata=decode.key("Username"))
    password: str = field(metadata=decode.key("Secret"))


def login(helper: str, address: str, named_by: str) -> Login | None:
    """The login that a helper keeps under an address, None without one.

    `named_by` is the key of config.json that names the helper. Raises ToolError if the helper is
    missing, fails, or answers with something else.
    """
    program = f"{PREFIX}{helper}"
    found = shutil.which(program)
    if found is None:
        raise ToolError(
            f"`{named_by}` of docker's config.json names the program `{program}`, which is not on "
            "PATH",
            hint=f"install `{program}`, or remove `{named_by}` from config.json and run `docker "
            "login` again",
        )
    try:
        said = shell.ask(found, "get", given=address.encode())
    except OSError as error:
        raise _failed(program, named_by, f"cannot start: {error.strerror}") from error
    if said.code != 0:
        text = (said.stdout + b" " + said.stderr).decode(errors="replace")
        if NONE in text:
            return None
        words = addresses.hidden(" ".join(text.split()))[:LONGEST]
        raise _failed(program, named_by, f"failed with exit code {said.code}: {words}")
    try:
        kept = shapes.read(Kept, said.stdout)
    except ValueError as error:
        # The answer may hold a password: the message quotes none of it.
        raise _failed(program, named_by, "does not answer with a login") from error
    if kept.user in ("", IDENTITY_TOKEN):
        return None
    return Login(user=kept.user, password=kept.password)


def _failed(program: str, named_by: str, how: str) -> ToolError:
    return ToolError(
        f"the credential helper `{program}`, which `{named_by}` of docker's config.json names, "
        f"{how}",
        hint=f"fix it until `echo HOST | {program} get` shows the login, or log in again with "
        "`docker login`",
    )
