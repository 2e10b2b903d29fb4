"""The engine: facts -> findings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.doctor.command import numbers
from buildkit.doctor.finding import ok, problem, warning
from buildkit.doctor.machine import SKEW_SECONDS
from buildkit.engine.health import Trouble
from buildkit.registry import bases
from buildkit.registry.reach import Trouble as Way
from buildkit.support import addresses, amounts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding
    from buildkit.engine.health import Health

MAC = "darwin"
START = "start the engine: `sudo systemctl start docker`"
START_MAC = "start Docker Desktop, or run `colima start`"
OTHERS = {  # what the parts of other engines are called -> the engine
    "podman engine": "Podman",
    "nerdctl": "finch-daemon",
    "conmon": "Podman",
}
ELSEWHERE = (
    "use a Docker engine: unset DOCKER_HOST and run `docker context use default`, or install "
    "Docker Engine, which also runs rootless"
)
STUDIO = (
    "build elsewhere: set DOCKER_HOST to an engine of your own, or release from CI; the proxy of "
    "Studio gives containers no network but `sagemaker`"
)
LINUX = (
    "choose *Switch to Linux containers* in Docker Desktop's menu, or run its `DockerCli.exe "
    "-SwitchLinuxEngine`"
)
OLDEST_API, OLD_API = (1, 41), (1, 42)
NEWER = "update the engine to Docker 23 or newer: https://docs.docker.com/engine/install/"
OCI_STORE = 29
"""The version of Docker whose new installations have the containerd store."""
LEAST_MEMORY, LITTLE_MEMORY = 2e9, 4e9
"""Bytes. A container under test gets half of the engine's memory."""
OTHERWISE = {  # why an engine does not answer -> the name and the fix
    Trouble.HOST: (
        "engine-host",
        "fix the name in DOCKER_HOST, or unset it to use the engine of this machine",
    ),
    Trouble.TLS: (
        "engine-tls",
        (
            "let DOCKER_CERT_PATH name a folder with the ca.pem, cert.pem and key.pem of that "
            "engine; unset DOCKER_TLS_VERIFY for one without TLS"
        ),
    ),
    Trouble.SSH: (
        "engine-ssh",
        "install paramiko beside buildkit: `pip install 'docker[ssh]'`",
    ),
    Trouble.ADDRESS: (
        "engine-address",
        "set DOCKER_HOST to `unix:///PATH`, `tcp://HOST:PORT` or `ssh://USER@HOST`",
    ),
    Trouble.STRANGE: (
        "engine-strange",
        "set DOCKER_HOST to the address of a Docker engine; something else answers at this one",
    ),
}
PULLS = (  # a pattern of what the engine says, what it means, the fix for the host {host}
    (r"manifest unknown|not found", "finds no such image in", "check `base` in images.toml"),
    (
        r"x509|certificate",
        "does not trust the certificate of",
        (
            "put your network's certificates into `/etc/docker/certs.d/{host}/ca.crt` on the "
            "engine's machine; Docker Desktop takes those of the system after a restart"
        ),
    ),
    (
        r"proxyconnect|proxy",
        "gets no connection from its proxy to",
        "fix `proxies` in `/etc/docker/daemon.json` on the engine's machine, then restart docker",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "speaks HTTPS, but HTTP is spoken by",
        'add `"insecure-registries": ["{host}"]` to `/etc/docker/daemon.json`, then restart docker',
    ),
    (
        r"toomanyrequests|rate limit",
        "has used up its pulls from",
        "run `docker login`, or use a mirror with `--substitute`",
    ),
    (
        r"unauthorized|denied|authentication required|forbidden|no basic auth",
        "has no login that is accepted by",
        "run `docker login {host}`",
    ),
    (
        r"no such host|lookup |i/o timeout|timeout|deadline|refused|unreachable|\bEOF\b",
        "cannot reach",
        (
            "give the engine a network: `proxies` or `dns` in `/etc/docker/daemon.json`, then "
            "restart docker; or use a mirror with `--substitute`"
        ),
    ),
)


def engine(facts: Facts) -> Iterator[Finding]:
    """Whether an engine answers, and is one of Docker's."""
    health, docker = facts.docker.health, facts.docker
    if docker.context or (
        docker.command is not None and docker.command.why and not docker.endpoint
    ):
        return  # no engine is named; that is said elsewhere
    where = addresses.shown(docker.endpoint)
    if health is None:
        yield _silent(where, facts)
    elif health.trouble is Trouble.CONFIG and docker.config.broken:
        return  # that is said
    elif health.trouble is not None:
        yield _absent(where, health, facts)
    elif (other := _another(where, health)) is not None:
        yield other
    else:
        yield from _version(where, health)
        yield from _settings(facts, health)


def _another(where: str, health: Health) -> Finding | None:
    """An engine that buildkit cannot use; None for one of Docker's."""
    if health.versioned_only:
        return problem(
            "engine-studio",
            f"{where} is the restricted Docker of SageMaker Studio: it refuses requests without "
            "an API version, and networks for tests",
            STUDIO,
        )
    if health.refused:
        calls = ", ".join(f"`{each}`" for each in health.refused)
        return problem(
            "engine-restricted",
            f"a proxy before the engine at {where} forbids {calls}",
            "set DOCKER_HOST to the engine itself, or allow these calls of the API in the proxy",
        )
    parts = [each.lower() for each in health.components]
    if other := next((name for sign, name in OTHERS.items() if sign in parts), None):
        said = f"{where} is {other}, which has no BuildKit for `docker buildx bake`"
        return problem("engine-other", said, ELSEWHERE)
    if health.os != "linux":
        said = f"the engine runs {health.os} containers; SageMaker's images are for Linux"
        return problem("engine-windows", said, LINUX)
    return None


def _silent(where: str, facts: Facts) -> Finding:
    fix = "check DOCKER_HOST, and the way to that machine"
    if where.startswith("unix"):
        restart = "restart the engine: `sudo systemctl restart docker`"
        fix = START_MAC if facts.machine.system == MAC else restart
    return problem("engine-silent", f"the engine at {where} hangs: it does not answer", fix)


def _absent(where: str, health: Health, facts: Facts) -> Finding:
    start = START_MAC if facts.machine.system == MAC else START
    said = f"no Docker engine answers at {where}: {health.why}"
    match health.trouble:
        case Trouble.CONFIG:
            path = facts.docker.config.path
            fix = f"fix the JSON of {path}, or move the file away and log in again"
            return problem("docker-config", f"{path} cannot be used: {health.why}", fix)
        case Trouble.ABSENT:
            return _no_socket(said, start, facts)
        case Trouble.DENIED:
            user = facts.machine.user
            group = f'add your user to the group: `sudo usermod -aG docker "{user}"`'
            said = f"user `{user}` may not open {where}: {health.why}"
            return problem("engine-denied", said, f"{group}, then log out and in again")
        case Trouble.STOPPED:
            elsewhere = "start the engine there, or fix the port in DOCKER_HOST"
            fix = start if where.startswith("unix") else elsewhere
            return problem("engine-stopped", said, fix)
        case Trouble.SILENT:
            return _silent(where, facts)
        case other:
            name, fix = OTHERWISE.get(other or Trouble.STRANGE, OTHERWISE[Trouble.STRANGE])
            return problem(name, said, fix)


def _no_socket(said: str, start: str, facts: Facts) -> Finding:
    if facts.docker.host_variable:
        fix = f"unset DOCKER_HOST, or {start}"
        return problem("engine-absent", f"{said} (DOCKER_HOST names it)", fix)
    if facts.machine.studio:
        return problem(
            "engine-studio",
            f"{said}; this is SageMaker Studio, whose domain has Docker access disabled",
            "allow it: `aws sagemaker update-domain --domain-id ID "
            "--domain-settings-for-update DockerSettings={EnableDockerAccess=ENABLED}`, then "
            "restart the space",
        )
    return problem("engine-absent", said, start)


def _version(where: str, health: Health) -> Iterator[Finding]:
    named = f"Docker Engine {health.version} (API {health.api})"
    if numbers(health.api) < OLDEST_API:
        yield problem("engine-old", f"{named} is too old for buildx and the tests", NEWER)
    elif numbers(health.api) < OLD_API:
        yield warning(
            "engine-old", f"{named} is older than those that buildkit is tested with", NEWER
        )
    else:
        product = f", {health.product}" if health.product else ""
        rootless = ", rootless" if health.rootless else ""
        yield ok("engine", f"{named} at {where}{product}{rootless}")
    store = "containerd" if health.containerd else "classic"
    yield ok("image-store", f"the {store} image store{_defaults(health)}")


def _defaults(health: Health) -> str:
    """What a bare `docker build` makes there, and why it does not matter here."""
    if not health.containerd:
        return ""
    new = "; the default of Docker 29" if numbers(health.version)[:1] >= (OCI_STORE,) else ""
    return (
        f"{new}: a bare `docker build` makes OCI manifests, which SageMaker refuses; buildkit "
        "makes Docker schema 2"
    )


def _settings(facts: Facts, health: Health) -> Iterator[Finding]:
    if not health.limits_memory:
        yield warning(
            "engine-limits",
            "the engine cannot limit the memory of containers: a tested image may use all of it",
            "for a rootless engine, use cgroup v2 and delegate `memory`: "
            "https://docs.docker.com/engine/security/rootless/",
        )
    yield from _memory(facts, health)
    if not facts.docker.endpoint.startswith("unix"):
        yield ok(
            "engine-remote",
            f"the engine is on another machine ({addresses.shown(facts.docker.endpoint)}): files "
            "travel through its API, and its published ports must be reachable from here",
        )
    ahead = health.ahead
    if ahead is not None and abs(ahead) > SKEW_SECONDS:
        yield warning(
            "engine-clock",
            f"the engine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} "
            "this machine's",
            "restart Docker Desktop, Colima or WSL; on another machine, `sudo timedatectl set-ntp "
            "true`",
        )
    if facts.network.proxies.get("HTTPS_PROXY") and not health.has_proxy:
        yield warning(
            "engine-proxy",
            "HTTPS_PROXY is set here, but the engine, which pulls base images, has no proxy",
            'add `"proxies": {"https-proxy": …, "no-proxy": …}` to `/etc/docker/daemon.json`, then '
            "restart docker; or ignore this if the engine needs none",
        )


def _memory(facts: Facts, health: Health) -> Iterator[Finding]:
    if not health.memory:
        return
    has = f"the engine has {amounts.size(health.memory)} of memory"
    if facts.machine.system == MAC or health.product == "Docker Desktop":
        fix = "give it 8 GB: Docker Desktop's Settings > Resources, or `colima start --memory 8`"
    else:
        fix = "use a machine with 8 GB of memory, such as by DOCKER_HOST"
    if health.memory < LEAST_MEMORY:
        yield problem("engine-memory", f"{has}, too little to test most images", fix)
    elif health.memory < LITTLE_MEMORY:
        yield warning("engine-memory", f"{has}, and a container under test gets half", fix)
    else:
        yield ok("engine-memory", has)


def pulls(facts: Facts) -> Iterator[Finding]:
    """Whether the engine itself, which pulls bases, reaches their registries."""
    health = facts.docker.health
    for base, why in facts.docker.pulls.items():
        host = bases.located(base)[0]
        reached = facts.network.registries.get(host)
        down = reached is not None and reached.trouble is Way.UNREACHABLE
        if why and down and health is not None and health.local:
            continue  # one network, one finding
        if why == "":
            yield ok("engine-pull", f"the engine has, or can pull, {base}")
        elif why is None:
            said = f"the engine got no answer about `{base}` within {facts.seconds:.0f} s"
            yield problem("engine-pull", said, PULLS[-1][2].format(host=host))
        else:
            said = _without_names(why, base)
            kinds = (each for each in PULLS if re.search(each[0], said, re.IGNORECASE))
            _, what, fix = next(kinds, ("", "got an error from", "check `base` in images.toml"))
            yield problem("engine-pull", f"the engine {what} {host}: {why}", fix.format(host=host))


def _without_names(why: str, base: str) -> str:
    """What an engine says without the host and the repository, which may be called `proxy`."""
    host, repository, _ = bases.located(base)
    for name in (host, repository, repository.removeprefix("library/")):
        why = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "", why)
    return why
