"""A request -> exact packages with the hashes of their files, by uv.

uv resolves for another Python and platform than its own, which pip cannot.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.config import substitution
from buildkit.lock.lockfile import wheels_but_for
from buildkit.support import addresses
from buildkit.support.errors import ToolError
from buildkit.system import shell, tempdirs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from buildkit.config.network import Network
    from buildkit.lock.request import Request

Packages = dict[str, tuple[str, ...]]
"""Packages such as `numpy==2.3.1`, and the hashes of the files of each."""
PUBLIC = "https://pypi.org/simple"
"""pip's default index, which a build uses without a pip configuration."""
ENTRY = re.compile(r"^(?P<pin>[^\s#-].*?)(?P<hashes>(?:\s*\\\n\s+--hash=\S+)*)$", re.MULTILINE)
HASH = re.compile(r"--hash=(\S+)")
NO_WHEELS = re.compile(r"no (?:usable )?wheels|building from source is disabled")
REFUSED = re.compile(r"401 Unauthorized|403 Forbidden|valid authentication credentials")
UNREACHED = re.compile(r"Failed to fetch|error sending request|Unsupported `Content-Type`")
CERTIFICATE = re.compile(r"certificate|UnknownIssuer", re.IGNORECASE)
OF_PIP = {  # a key of pip's configuration -> the variable of uv that means the same
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
}
"""As variables, because the list of processes shows arguments, and a URL may hold a password."""
LISTS = frozenset({"UV_FIND_LINKS"})
"""Variables whose values a comma separates, as pip separates them by spaces."""
YES = ("1", "on", "true", "yes", "y", "t")
SECTIONS = ("global", "install")
"""Of pip's configuration: those that `pip install` reads, the stronger one last."""


def program() -> str:
    """The path of uv: beside Python, as the extra `lock` installs it, or on PATH.

    Raises ToolError.
    """
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise ToolError(
            "uv is not installed, which resolves packages",
            hint="`pip install uv`, or add uv to PATH",
        )
    return found


def resolve(
    request: Request, network: Network, *, keep: Sequence[str] = (), update: Collection[str] = ()
) -> Packages:
    """The packages that fit a request.

    The versions in `keep` are kept where they still fit, except those of the packages in `update`.
    Raises ToolError with the words of uv.
    """
    upgraded = (each for package in sorted(update) for each in ("--upgrade-package", package))
    wheels = wheels_but_for(request.source_builds)
    return _compiled(request, network, keep, "--generate-hashes", *wheels, *upgraded)


def newest(request: Request, network: Network) -> tuple[str, ...]:
    """The newest packages that fit a request, such as `numpy==2.3.1`, as `resolve` would lock them.

    Without hashes: for these, uv downloads files from an index that has none. Raises ToolError.
    """
    return tuple(_compiled(request, network, (), *wheels_but_for(request.source_builds)))


def release(request: Request, network: Network) -> str:
    """The newest version that fits a request for one package, with or without wheels.

    No file is downloaded. Raises ToolError.
    """
    (pin,) = _compiled(request, network, (), "--no-deps")
    return pin.partition("==")[2]


def _compiled(request: Request, network: Network, keep: Sequence[str], *options: str) -> Packages:
    with tempdirs.folder() as folder:
        wanted, found = folder / "wanted.txt", folder / "found.txt"
        wanted.write_text("\n".join((*request.requirements, "")), encoding="utf-8")
        found.write_text("\n".join((*keep, "")), encoding="utf-8")
        done = shell.run(
            program(), "pip", "compile", str(wanted), "--output-file", str(found),
            "--quiet", "--no-config", "--no-header", "--no-annotate", *options,
            "--index-strategy", "unsafe-best-match",  # as pip does
            "--python", sys.executable, "--no-python-downloads",  # uv runs it; it is no target
            "--python-version", request.python, "--python-platform", request.platform,
            *([] if network.wheels is None else ["--find-links", str(network.wheels)]),
            *(["--no-index"] if _pip(network).get("no-index", "").lower() in YES else []),
            env=_environment(request, network),
        )  # fmt: skip
        if done.code != 0:
            raise _unresolved(request, done.output)
        return {
            match["pin"]: tuple(sorted(HASH.findall(match["hashes"])))
            for match in ENTRY.finditer(found.read_text(encoding="utf-8"))
        }


def _environment(request: Request, network: Network) -> dict[str, str]:
    """Uv's variables: what the build would use, and nothing else of the user's own."""
    found = {"UV_DEFAULT_INDEX": PUBLIC, "UV_INDEX_URL": "", "UV_EXTRA_INDEX_URL": ""}
    found |= dict.fromkeys(sorted(OF_PIP.values() - found.keys()), "")
    for key, value in _pip(network).items():
        if key in OF_PIP:
            name = OF_PIP[key]
            found[name] = ("," if name in LISTS else " ").join(value.split())
    indexes = (substitution.mirror(each, network.substitutes) or each for each in request.indexes)
    found["UV_INDEX"] = " ".join((*found["UV_INDEX"].split(), *indexes))
    if network.ca_bundle is not None:
        found["SSL_CERT_FILE"] = str(network.ca_bundle)
    return found


def _pip(network: Network) -> Mapping[str, str]:
    """The keys of pip's configuration that count for `pip install`."""
    read = network.pip()
    found: dict[str, str] = {}
    for section in SECTIONS:
        if read.has_section(section):
            found |= {key.replace("_", "-"): value for key, value in read.items(section)}
    return found


def _unresolved(request: Request, said: str) -> ToolError:
    """The error of uv, with its cause: the network, a login, a file of images.toml or no wheels."""
    details, whole = addresses.hidden(said.strip()), " ".join(said.split())
    if REFUSED.search(whole):
        return ToolError(
            "a package index refuses the login to it",
            hint="write the user and password of the index into the file for `--pip-config`",
            details=details,
        )
    if UNREACHED.search(whole):
        hint = "check the network, HTTPS_PROXY, and `indexes` in images.toml or `--pip-config`"
        if CERTIFICATE.search(whole):
            hint = "pass the certificates of your network with `--ca-bundle`"
        return ToolError("uv could not read from a package index", hint=hint, details=details)
    hint = "fix `packages` or `indexes` in images.toml, or pass `--pip-config` or `--wheels`"
    if NO_WHEELS.search(whole):
        hint = (
            "a lock has wheels only: choose a version with wheels, pass a folder with `--wheels`, "
            "or name the package in `source-builds` of the image"
        )
    return ToolError(
        f"uv found no packages that fit Python {request.python} on {request.platform}",
        hint=hint,
        details=details,
    )
