"""Proxies, certificates, registries and base images: facts -> findings."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from buildkit.doctor.finding import State, fix_of, ok, problem, warning
from buildkit.model import names
from buildkit.model.hosts import DOCKER_HUB, ECR_HOST
from buildkit.registry.bases import located
from buildkit.registry.reach import Trouble
from buildkit.support import addresses
from buildkit.support.amounts import count
from buildkit.support.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding
    from buildkit.registry.reach import Found, Reached

CERTIFICATES = (
    "set REQUESTS_CA_BUNDLE (and AWS_CA_BUNDLE for AWS) to the file with your network's "
    "certificates, such as /etc/ssl/certs/ca-certificates.crt after `update-ca-certificates`"
)
MIRROR = "check the network, or use a mirror: `--substitute 'FROM=TO'`"
OF_CLOCK = ("not yet valid", "has expired")
"""What the error of a certificate says if it, or the clock, is wrong."""
BUILD_PROXY = (
    'add `"proxies": {{"default": {{"httpsProxy": "{proxy}"}}}}` to {path}: buildx passes it to '
    "each step, and it does not enter the image"
)


def files(facts: Facts) -> Iterator[Finding]:
    """The files that variables name."""
    for variable, path, why in facts.network.files:
        yield problem(
            "variable-file",
            f"{variable} names {path}, which {why}",
            f"set {variable} to the file that has your certificates, or unset it",
        )


def proxies(facts: Facts) -> Iterator[Finding]:
    found = facts.network.proxies
    wrong = [name for name, value in found.items() if not _is_address(value)]
    for name in wrong:
        yield problem(
            "proxy-address",
            f"{name} is {addresses.quoted(found[name])}, which is not the address of a proxy",
            f"set {name} to `http://HOST:PORT`, or unset it",
        )
    loopback = [host for host in facts.network.registries if names.is_loopback(host)]
    if found.get("HTTP_PROXY") and loopback and not _covers_loopback(facts.network.no_proxy):
        yield warning(
            "proxy-loopback",
            f"HTTP_PROXY is set, and NO_PROXY does not except {loopback[0]} on this machine",
            "set NO_PROXY to `localhost,127.0.0.1`",
        )
    proxy, settings = found.get("HTTPS_PROXY"), facts.docker.config
    if proxy and "HTTPS_PROXY" not in wrong and not settings.proxied and not settings.broken:
        shown = addresses.shown(proxy)
        yield warning(
            "build-proxy",
            "HTTPS_PROXY is set here, but steps of builds have no proxy to download packages",
            BUILD_PROXY.format(proxy=shown, path=settings.path),
        )
    if found and not wrong:
        yield ok("proxy", f"proxies: {', '.join(sorted(found))}")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value if "//" in value else f"//{value}")
        return bool(parts.hostname) and parts.port != 0 and " " not in value
    except ValueError:
        return False


def _covers_loopback(no_proxy: str) -> bool:
    return bool(
        {"localhost", "127.0.0.1", "*", "127.0.0.0/8"} & {*no_proxy.replace(" ", "").split(",")}
    )


def registries(facts: Facts) -> Iterator[Finding]:
    """The registries of bases, and those to publish to."""
    for host, reached in facts.network.registries.items():
        finding = _registry(host, reached, facts)
        if finding.state is State.PROBLEM and not _is_needed(host, facts):
            said = f"{finding.found}; the engine has all bases of that registry"
            finding = warning(finding.name, said, finding.fix)
        yield finding


def _is_needed(host: str, facts: Facts) -> bool:
    """Whether images go to a registry, or a base has to come from there."""
    bases = (base for base in facts.network.bases if located(base)[0] == host)
    return host in facts.network.published or any(base not in _held(facts) for base in bases)


def _held(facts: Facts) -> frozenset[str]:
    health = facts.docker.health
    return frozenset() if health is None else health.images


def _registry(host: str, reached: Reached | None, facts: Facts) -> Finding:
    away = f"check the name {host}, DNS and the network; behind a proxy, set HTTPS_PROXY"
    if reached is None:
        said = f"the registry {host} did not answer within {facts.seconds:.0f} s"
        return problem("registry-unreachable", said, away)
    if reached.trouble is None:
        login = facts.network.logins.get(host)
        if login is not None and login.trouble is not None:
            return problem("registry-login", login.why, fix_of(login.hint, _login(host)))
        return ok("registry", f"{host} answers")
    name, fix = {
        Trouble.CERTIFICATE: ("registry-certificate", _certificate(reached.why)),
        Trouble.PROXY: ("registry-proxy", reached.hint),
        Trouble.STRANGE: (
            "registry-strange",
            f"check that {host} is a registry; if the network has a login page, open a browser",
        ),
    }.get(reached.trouble, ("registry-unreachable", away))
    return problem(name, reached.why, fix)


def _certificate(why: str) -> str:
    if any(sign in why for sign in OF_CLOCK):
        return "set the clock of this machine if `date -u` is wrong; else renew the certificate"
    return CERTIFICATES


def bases(facts: Facts) -> Iterator[Finding]:
    """The base images, in their registries or in the engine."""
    for base, found in facts.network.bases.items():
        if base in _held(facts):
            yield ok("base", f"{base} is in the engine")
            continue
        finding = _base(base, found, facts)
        if finding is not None:
            yield finding
    if unasked := [each for each in facts.network.unasked if each not in _held(facts)]:
        yield warning(
            "base-unchecked",
            f"{count(len(unasked), 'base')} could not be checked within {facts.seconds:.0f} s",
            "name fewer targets: `buildkit doctor SELECT`",
        )


def _base(base: str, found: Found | None, facts: Facts) -> Finding | None:
    """A finding about one base; None if its registry is what is wrong."""
    host = "" if found is None else found.host
    if found is None:
        said = f"the registry of the base `{base}` did not answer within {facts.seconds:.0f} s"
        return problem("base-refused", said, MIRROR)
    if (reached := facts.network.registries.get(host)) is None or reached.trouble is not None:
        return None
    if found.trouble is None:
        return ok("base", f"{base} is in {host}")
    if found.trouble is Trouble.MISSING:
        fix = "fix `base` in images.toml, or replace the image with `--substitute`"
        return problem("base-missing", f"the base `{base}`: {found.why}", fix, code=Exit.USAGE)
    if found.trouble is Trouble.LOGIN:
        return problem("registry-login", f"the base `{base}`: {found.why}", _login(host))
    return problem("base-refused", f"the base `{base}`: {found.why}", fix_of(found.hint, MIRROR))


def _login(host: str) -> str:
    if host == DOCKER_HUB:
        return "fix `base` if its name is wrong; for a private image, run `docker login`"
    if ECR_HOST.fullmatch(host):
        return (
            f"run `docker logout {host}` to let buildkit log in by itself, and allow the AWS "
            "identity to pull"
        )
    return f"run `docker login {host}`"
