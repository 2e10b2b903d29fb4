"""What an engine answers, or why it does not, within seconds: for `buildkit doctor`.

Nothing is created in the engine. All calls only read.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from enum import Enum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests

from buildkit.engine.calls import BROKEN
from buildkit.engine.containers import seconds_of
from buildkit.engine.engine import SSH, is_local, reason
from buildkit.model import names
from buildkit.support import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildkit.model.login import Login

STUDIO_API = "1.41"
"""The only API of the proxy in SageMaker Studio, which redirects requests without a version."""
CALLS = ("info", "containers/json?limit=1", "networks", "volumes")
"""What a run needs of an engine, besides images."""
OK, FORBIDDEN = 200, 403
API = re.compile(r"[0-9]+\.[0-9]+")
UNIX = "unix://"


class Trouble(Enum):
    """Why an engine cannot be asked."""

    ABSENT = "absent"
    DENIED = "denied"
    STOPPED = "stopped"
    SILENT = "silent"
    HOST = "host"
    ADDRESS = "address"
    TLS = "tls"
    SSH = "ssh"
    CONFIG = "config"
    STRANGE = "strange"


@dataclass(frozen=True, kw_only=True)
class Health:
    """An engine's answers; without an answer, its `trouble` and `why`.

    `versioned_only`: as in SageMaker Studio, the proxy before the engine refuses requests without
    a version. `refused` are the calls that something before the engine forbids. `components` are
    the programs that the engine consists of; `ahead` is how many seconds its clock is ahead of
    this machine's.
    """

    endpoint: str
    trouble: Trouble | None = None
    why: str = ""
    versioned_only: bool = False
    refused: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    version: str = ""
    api: str = ""
    oldest_api: str = ""
    os: str = "linux"
    architecture: str = ""
    product: str = ""
    containerd: bool = False
    rootless: bool = False
    local: bool = True
    memory: int = 0
    limits_memory: bool = True
    root: str = ""
    has_proxy: bool = False
    ahead: float | None = None
    images: frozenset[str] = frozenset()


def look(where: str, images: Sequence[str], seconds: float) -> Health:
    """Ask an engine about itself, and which of these images it has."""
    if where.startswith(SSH) and find_spec("paramiko") is None:
        return Health(endpoint=where, trouble=Trouble.SSH, why="`paramiko` is not installed")
    try:
        if where.startswith(UNIX):
            _knock(where.removeprefix(UNIX), seconds)
        with closing(_api(where, STUDIO_API, seconds)) as first:
            found = _version(where, first)
        if found.trouble is not None or found.versioned_only or found.refused:
            return found
        with closing(_api(where, found.api, seconds)) as api:
            return _asked(found, api, images)
    except docker.errors.TLSParameterError as error:
        return Health(endpoint=where, trouble=Trouble.TLS, why=_first_line(error))
    except (TypeError, AttributeError) as error:  # docker-py's, of config.json
        return Health(endpoint=where, trouble=Trouble.CONFIG, why=str(error))
    except Exception as error:  # paramiko's errors are none of docker-py's
        if not where.startswith(SSH) and not isinstance(error, (*BROKEN, ValueError, OSError)):
            raise
        return _unreachable(where, error)


def pull_trouble(where: str, api: str, image: str, login: Login | None, seconds: float) -> str:
    """Why the engine cannot ask the registry of an image about the image; empty if it can."""
    given = {"username": login.user, "password": login.password} if login else None
    try:
        with closing(_api(where, api, seconds)) as client:
            client.inspect_distribution(image, auth_config=given)
    except docker.errors.APIError as error:
        return addresses.hidden(str(error.explanation or error))
    except BROKEN as error:
        return addresses.hidden(reason(error))
    except (ValueError, TypeError, AttributeError) as error:  # docker-py's, of config.json
        return f"docker's own configuration: {error}"
    return ""


def _api(where: str, version: str, seconds: float) -> Any:
    options: dict[str, Any] = {"base_url": where}
    if "DOCKER_HOST" in os.environ:
        options |= docker.utils.kwargs_from_env()
    return docker.APIClient(version=version, timeout=seconds, **options)  # type: ignore[arg-type] # a float is fine


def _knock(path: str, seconds: float) -> None:
    """Raise OSError if nothing listens at a socket: docker-py would leave it open."""
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(seconds)
        door.connect(path)


def _version(where: str, api: Any) -> Health:
    bare = _get(api, "/version")
    document, versioned = _document(bare), False
    if not document:
        document, versioned = _document(_get(api, f"/v{STUDIO_API}/version")), True
    found = _text(document, "ApiVersion")
    if not API.fullmatch(found):
        said = " ".join(bare.text.split())[:120]
        why = f"`GET /version` answered {bare.status_code}{f': {said}' if said else ''}"
        refused = ("version",) if bare.status_code == FORBIDDEN else ()
        trouble = None if refused else Trouble.STRANGE
        return Health(endpoint=where, trouble=trouble, why=why, refused=refused)
    parts = [each for each in document.get("Components") or () if isinstance(each, dict)]
    return Health(
        endpoint=where,
        versioned_only=versioned,
        components=tuple(_text(each, "Name") for each in parts),
        version=_text(document, "Version"),
        api=found,
        oldest_api=_text(document, "MinAPIVersion"),
        os=_text(document, "Os") or "linux",
        architecture=_text(document, "Arch"),
    )


def _asked(found: Health, api: Any, images: Sequence[str]) -> Health:
    answers = {call: _get(api, f"/v{found.api}/{call}") for call in CALLS}
    refused = tuple(
        call.partition("?")[0] for call, each in answers.items() if each.status_code == FORBIDDEN
    )
    info = _document(answers["info"])
    clock = seconds_of(_text(info, "SystemTime"))
    options = [str(each) for each in info.get("SecurityOptions") or ()]
    return replace(
        found,
        refused=refused,
        os=_text(info, "OSType") or found.os,
        product=_text(info, "OperatingSystem"),
        containerd=any("containerd" in str(value) for _, value in _pairs(info, "DriverStatus")),
        rootless=any("rootless" in option for option in options),
        local=is_local(found.endpoint, info),
        memory=info["MemTotal"] if isinstance(info.get("MemTotal"), int) else 0,
        limits_memory=info.get("MemoryLimit", True) is not False,
        root=_text(info, "DockerRootDir"),
        has_proxy=bool(_text(info, "HttpsProxy") or _text(info, "HttpProxy")),
        ahead=None if clock is None else clock - time.time(),
        images=_held(found, api, images),
    )


def _held(found: Health, api: Any, images: Sequence[str]) -> frozenset[str]:
    """Those of the images that the engine has: one question for all; none without an answer."""
    try:
        said = _get(api, f"/v{found.api}/images/json").json() if images else []
    except (*BROKEN, ValueError):
        return frozenset()
    listed = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
    held = {
        _full(str(name))
        for each in listed
        for key in ("RepoTags", "RepoDigests")
        for name in each.get(key) or ()
    }
    return frozenset(image for image in images if _full(image) in held)


def _full(image: str) -> str:
    """A name with its tag, or with its digest alone."""
    name, _, digest = names.familiar(image).partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    return f"{path}@{digest}" if digest else f"{path}:{tag}"


def _get(api: Any, path: str) -> requests.Response:
    answer: requests.Response = api.get(
        f"{api.base_url}{path}", timeout=api.timeout, allow_redirects=False
    )
    return answer


def _document(answer: requests.Response) -> dict[str, Any]:
    """The JSON object of a success; empty for any other answer."""
    with suppress(ValueError):
        found = answer.json() if answer.status_code == OK else {}
        return found if isinstance(found, dict) else {}
    return {}


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _pairs(document: Mapping[str, Any], key: str) -> Iterator[tuple[object, object]]:
    for each in document.get(key) or ():
        if isinstance(each, list) and len(each) == 2:  # noqa: PLR2004 - a pair
            yield each[0], each[1]


def _unreachable(where: str, error: Exception) -> Health:
    """Why no answer has come: mostly the system's reason, which several libraries wrap."""
    inside = [*_chain(error)]
    number = next((each.errno for each in inside if isinstance(each, OSError) and each.errno), None)
    trouble = Trouble.STRANGE
    if number == errno.ENOENT:
        trouble = Trouble.ABSENT
    elif number in (errno.EACCES, errno.EPERM):
        trouble = Trouble.DENIED
    elif number == errno.ECONNREFUSED:
        trouble = Trouble.STOPPED
    elif any(isinstance(each, (requests.Timeout, TimeoutError)) for each in inside):
        trouble = Trouble.SILENT
    elif any(isinstance(each, requests.exceptions.SSLError) for each in inside):
        trouble = Trouble.TLS
    elif number in (errno.EHOSTUNREACH, errno.ENETUNREACH) or any(
        isinstance(each, socket.gaierror) for each in inside
    ):
        trouble = Trouble.HOST
    elif isinstance(error, (docker.errors.DockerException, requests.exceptions.InvalidURL)):
        trouble = Trouble.ADDRESS
    why = reason(error).replace(where, addresses.shown(where))
    return Health(endpoint=where, trouble=trouble, why=_first_line(why))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it wraps."""
    if error is None:
        return
    yield error
    wrapped = (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args)
    for each in dict.fromkeys(one for one in wrapped if isinstance(one, BaseException)):
        yield from _chain(each)


def _first_line(text: object) -> str:
    return next(iter(str(text).strip().splitlines()), "")
