"""`docker push` with a login of its own: a private configuration that ends with the push."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit import console, logins, shell
from buildkit.errors import ToolError

if TYPE_CHECKING:
    from buildkit.engine import Engine
    from buildkit.model import Login

REFUSALS = (  # what a registry says through docker -> what to do
    (
        r"immutable",
        "the tag is there already and the repository's tags are immutable: raise the revision",
    ),
    (
        r"no basic auth credentials|unauthorized|authorization token has expired|denied",
        "the login is refused or has expired: log in to AWS again, then the same command",
    ),
    (
        r"repository .* does not exist|name unknown",
        "the repository is missing: create it, or allow ecr:CreateRepository",
    ),
    (r"no space left on device", "a disk is full: `docker system df`, or the registry's own"),
    (
        r"cannot connect to the docker daemon|unexpected eof|connection re(?:set|fused)",
        "the engine or the registry stopped answering: start it, then the same command",
    ),
)


@dataclass(frozen=True, kw_only=True)
class DockerPusher:
    """Fits `publish.Pusher`."""

    engine: Engine
    host: str
    login: Login

    def push(self, image_id: str, repository: str, tag: str) -> None:
        """Push one image under one tag. Raises ToolError with the registry's own words."""
        with self.engine.named(image_id, f"{self.host}/{repository}", tag) as name:
            console.say(f"pushing {name}")
            with logins.alone(self.host, self.login) as folder:
                # The folder has no contexts, so the endpoint is named.
                done = shell.run(
                    "docker", "--config", str(folder), "push", name,
                    env={"DOCKER_HOST": self.engine.endpoint},
                )  # fmt: skip
            if done.code != 0:
                raise _failure(name, done)


def _failure(name: str, done: shell.Done) -> ToolError:
    said = done.output.strip().splitlines()
    return ToolError(
        f"pushing `{name}` failed: {said[-1] if said else f'exit {done.code}'}",
        hint=_hint(done.output),
        details="\n".join(said[-5:-1]),
    )


def _hint(said: str) -> str:
    return next(
        (hint for sign, hint in REFUSALS if re.search(sign, said, re.IGNORECASE)),
        "the same command again continues: layers that are there are not sent again",
    )
