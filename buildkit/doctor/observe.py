"""Looks at a machine, its network and its AWS account side by side: nothing is changed."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.build import buildx
from buildkit.doctor.facts import Aws, Docker, Facts, Machine, Network
from buildkit.doctor.question import NOWHERE
from buildkit.ecr import api, identity, permissions, places
from buildkit.engine import command, engine, health
from buildkit.registry import bases, docker_config, reach
from buildkit.support.errors import ToolError
from buildkit.system import machine
from buildkit.system.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkit.build.buildx import Builder
    from buildkit.doctor.question import Question
    from buildkit.ecr.identity import Identity
    from buildkit.ecr.permissions import Asked, Permissions
    from buildkit.ecr.places import Place
    from buildkit.engine.health import Health
    from buildkit.model.login import Login
    from buildkit.registry.reach import Found
    from buildkit.system.looks import Look
    from buildkit.system.machine import Folder

    Logins = Look[Mapping[str, Login]]
    Rights = Look[Permissions | None]
    Ends = Look[tuple[str, str, str]]

SECONDS = 9.0
"""For everything: what has not answered by then is a finding."""
CALL_SECONDS = 5.0
"""For one call to the engine, and one command."""
AT_ONCE = 16
"""Bases that are asked for at once."""
CERTIFICATES = (
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "PIP_CERT",
    "BUILDKIT_CA_BUNDLE",
)  # fmt: skip
PATHS = ("BUILDKIT_PIP_CONFIG", "BUILDKIT_WHEELS")
PEM = b"-----BEGIN "
LONGEST_PEM = 1 << 22
STUDIO = (Path("/opt/ml/metadata/resource-metadata.json"), Path("/docker/proxy.sock"))
"""Files that only a space of SageMaker Studio has."""


def observe(question: Question, seconds: float = SECONDS) -> Facts:
    """All facts. What takes longer than this is None there."""
    looks, config = Looks(seconds), docker_config.settings()
    identities, rights = _aws(looks, question)
    hosts = dict.fromkeys(bases.located(each)[0] for each in question.bases)
    logins = {host: looks.start(partial(_logins, host)) for host in hosts}
    finish_docker = _docker(looks, question, config, logins)
    finish_network = _network(looks, question, logins)
    finish_machine = _machine(looks, question)
    docker = finish_docker()
    return Facts(
        images=question.images,
        docker=docker,
        machine=finish_machine(docker.health),
        network=finish_network(),
        aws=Aws(
            identities={profile: look.result() for profile, look in identities.items()},
            permissions={
                host: look.result() for host, (who, look) in rights.items() if _is_known(who)
            },
        ),
        seconds=seconds,
    )


def _docker(
    looks: Looks,
    question: Question,
    config: docker_config.Settings,
    logins: Mapping[str, Logins],
) -> Callable[[], Docker]:
    program = looks.start(partial(command.look, CALL_SECONDS))
    plugin = looks.start(partial(buildx.look, CALL_SECONDS))
    ends = looks.start(_endpoint)
    asked = looks.start(partial(_health, ends, question.bases))
    builder = looks.start(partial(_builder, ends))
    by_host = {bases.located(each)[0]: each for each in reversed(question.bases)}
    pulls = {
        base: looks.start(partial(_pull, asked, logins[host], base))
        for host, base in reversed(by_host.items())
    }

    def finish() -> Docker:
        where, _, context = ends.result() or ("", "", "`docker context inspect` did not answer")
        found, why = asked.result(), {base: look.result() for base, look in pulls.items()}
        return Docker(
            command=program.result(),
            buildx=plugin.result(),
            builder=builder.result(),
            health=found,
            config=config,
            endpoint=where,
            context=context,
            pulls=why if found is not None and _is_docker(found) else {},
            api_version=os.environ.get("DOCKER_API_VERSION", ""),
            host_variable=bool(os.environ.get("DOCKER_HOST")),
            absent_helpers=tuple(each for each in config.helpers if shutil.which(each[0]) is None),
        )

    return finish


def _endpoint() -> tuple[str, str, str]:
    """The engine's address, its builder, and why docker has no usable context."""
    try:
        return *engine.endpoint(), ""
    except ToolError as error:
        missing = "is not installed" in error.message
        return "", "", "" if missing else error.message


def _health(ends: Ends, images: tuple[str, ...]) -> Health | None:
    where, _, _ = ends.result() or ("", "", "")
    return health.look(where, images, CALL_SECONDS) if where else None


def _builder(ends: Ends) -> Builder | None:
    _, name, _ = ends.result() or ("", "", "")
    return buildx.look_at(name, CALL_SECONDS) if name else None


def _is_docker(found: Health) -> bool:
    return found.trouble is None and not found.versioned_only and not found.refused


def _pull(asked: Look[Health | None], logins: Logins, base: str) -> str | None:
    """Why the engine cannot ask the registry of a base that it does not have."""
    found = asked.result()
    if found is None or not _is_docker(found) or base in found.images:
        return ""
    login = (logins.result() or {}).get(bases.located(base)[0])
    return health.pull_trouble(found.endpoint, found.api, base, login, CALL_SECONDS)


def _network(
    looks: Looks, question: Question, logins: Mapping[str, Logins]
) -> Callable[[], Network]:
    registries = {host: looks.start(partial(reach.look, host)) for host in question.hosts}
    free = threading.Semaphore(AT_ONCE)
    begun: set[str] = set()
    found = {
        base: looks.start(partial(_base, free, begun, logins[bases.located(base)[0]], base))
        for base in question.bases
    }
    published = {
        place.host: looks.start(partial(reach.log_in, place.host))
        for place in question.places
        if place.api is places.Api.NONE
    }
    files = _files(looks)

    def finish() -> Network:
        asked = {base: look.result() for base, look in found.items()}
        unasked = tuple(each for each, came in asked.items() if came is None and each not in begun)
        return Network(
            files=files(),
            proxies=_proxies(),
            no_proxy=os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "",
            registries={host: look.result() for host, look in registries.items()},
            bases={base: came for base, came in asked.items() if base not in unasked},
            unasked=unasked,
            logins={host: look.result() for host, look in published.items()},
            published=frozenset(place.host for place in question.places),
        )

    return finish


def _files(looks: Looks) -> Callable[[], tuple[tuple[str, str, str], ...]]:
    """The variables that name files which cannot be used, with the path and the reason."""
    files = {
        (name, path): looks.start(partial(_unusable, Path(path), pem=name in CERTIFICATES))
        for name in (*CERTIFICATES, *PATHS)
        if (path := os.environ.get(name))
    }

    def finish() -> tuple[tuple[str, str, str], ...]:
        found = {key: look.result() for key, look in files.items()}
        late = "did not answer in time"
        return tuple(
            (*key, late if why is None else why) for key, why in found.items() if why != ""
        )

    return finish


def _base(free: threading.Semaphore, begun: set[str], logins: Logins, base: str) -> Found:
    found = logins.result() or {}
    with free:
        begun.add(base)
        return reach.find(base, found)


def _logins(host: str) -> Mapping[str, Login]:
    """A new login to a registry of ECR that docker has none for, if AWS gives one."""
    try:
        place = places.private(host) if docker_config.lacking((host,)) else None
        return {host: api.login(place, api.quick(place, "ecr"))} if place is not None else {}
    except ToolError:  # what is wrong with AWS is another finding
        return {}


def _unusable(path: Path, *, pem: bool) -> str:
    try:
        if path.is_dir() or not pem:
            return "" if path.exists() else "does not exist"
        with path.open("rb") as file:
            return "" if PEM in file.read(LONGEST_PEM) else "has no certificate in PEM format"
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _proxies() -> dict[str, str]:
    found = {
        name: os.environ.get(name.lower()) or os.environ.get(name) or ""
        for name in ("HTTPS_PROXY", "HTTP_PROXY")
    }
    return {name: value for name, value in found.items() if value}


def _machine(looks: Looks, question: Question) -> Callable[[Health | None], Machine]:
    """Folders may be on a file system that does not answer."""
    folders = {
        use: looks.start(partial(machine.folder, path)) for use, path in question.folders.items()
    }

    def finish(found: Health | None) -> Machine:
        root = Path(found.root) if found is not None and found.local and found.root else None
        engine_folder = None if root is None else looks.start(partial(_existing, root))
        return Machine(
            system=sys.platform,
            architecture=platform.machine(),
            user=_user(),
            studio=any(each.exists() for each in STUDIO),
            folders={use: look.result() for use, look in folders.items()},
            engine_folder=None if engine_folder is None else engine_folder.result(),
        )

    return finish


def _existing(path: Path) -> Folder | None:
    return machine.folder(path) if path.exists() else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        return str(os.getuid())


def _aws(
    looks: Looks, question: Question
) -> tuple[Mapping[str | None, Look[Identity]], Mapping[str, tuple[Look[Identity], Rights]]]:
    first: dict[str | None, Place] = {}
    for asked in question.asked:
        first.setdefault(asked.place.profile, asked.place)
    first = first or {None: NOWHERE}
    who = {profile: looks.start(partial(identity.look, place)) for profile, place in first.items()}
    rights = {
        asked.place.host: (caller, looks.start(partial(_permissions, caller, asked)))
        for asked in question.asked
        for caller in (who[asked.place.profile],)
    }
    return who, rights


def _is_known(who: Look[Identity]) -> bool:
    found = who.result()
    return found is not None and found.trouble is None


def _permissions(who: Look[Identity], asked: Asked) -> Permissions | None:
    found = who.result()
    return None if found is None or found.trouble is not None else permissions.look(asked, found)
