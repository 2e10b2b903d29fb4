"""The `docker` command, its configuration and buildx: facts -> findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.doctor.finding import ok, problem, warning
from buildkit.support.amounts import first_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.doctor.facts import Facts
    from buildkit.doctor.finding import Finding

INSTALL = "https://docs.docker.com/engine/install/"
INSTALL_BUILDX = "https://docs.docker.com/build/install-buildx/"
OLDEST_BUILDX = (0, 13)
OWN_NAME = "docker"
STANDINS = {"podman": "Podman", "nerdctl": "nerdctl", "finch": "Finch"}
CLIENTS = {
    18: "1.39",
    19: "1.40",
    20: "1.41",
    23: "1.42",
    24: "1.43",
    25: "1.44",
    26: "1.45",
    27: "1.47",
    28: "1.51",
}
"""The API of each major version of the command; newer ones speak the engine's."""
DRIVER = "docker"


def command(facts: Facts) -> Iterator[Finding]:
    """The program `docker` itself."""
    docker = facts.docker
    found = docker.command
    if found is None:
        yield problem(
            "docker-broken",
            f"`docker --version` did not answer within {facts.seconds:.0f} s",
            "reinstall the `docker` command, and check the folder that `command -v docker` shows",
        )
    elif "is not installed" in found.why:
        yield problem("docker-missing", found.why, f"install the `docker` command: {INSTALL}")
    elif found.why:
        yield problem("docker-broken", found.why, found.hint)
    elif found.name.lower() != OWN_NAME:
        name = STANDINS.get(found.name.lower(), found.name)
        yield problem(
            "docker-other",
            f"the command `docker` is {name} {found.version}, which has no `docker buildx bake`",
            f"install Docker's own command, and put it first on PATH: {INSTALL}",
        )
    elif not found.version:
        yield warning(
            "docker-version",
            "the version of the command `docker` is unknown",
            "check that `docker --version` shows a release of the last years, or install one",
        )
    else:
        yield from _client_version(facts, found.version)


def _client_version(facts: Facts, version: str) -> Iterator[Finding]:
    """Docker 29 refuses commands that speak an API older than 1.44."""
    docker, health = facts.docker, facts.docker.health
    least = "" if health is None else health.oldest_api
    newest = "" if health is None else health.api
    speaks = CLIENTS.get(int(version.partition(".")[0]), "")
    fixed = docker.api_version.removeprefix("v")
    if fixed and least and not numbers(least) <= numbers(fixed) <= numbers(newest):
        yield problem(
            "docker-api-version",
            f"DOCKER_API_VERSION is {fixed}, and the engine speaks {least} to {newest}",
            "unset DOCKER_API_VERSION",
        )
    elif speaks and least and numbers(speaks) < numbers(least):
        yield problem(
            "docker-old",
            f"the command `docker` {version} speaks API {speaks}, and the engine accepts "
            f"{least} or newer",
            f"update the `docker` command to the engine's version: {INSTALL}",
        )
    else:
        yield ok("docker", f"Docker {version}")


def config(facts: Facts) -> Iterator[Finding]:
    """config.json, the helpers that it names, and the context."""
    docker = facts.docker
    if docker.config.broken:
        yield problem(
            "docker-config",
            docker.config.broken,
            f"fix the JSON of {docker.config.path}, or move the file away and log in again",
        )
        return
    for program, key in docker.absent_helpers:
        yield problem(
            "credential-helper",
            f"`{key}` of {docker.config.path} names `{program}`, which is not on PATH: docker can "
            "pull no image",
            f"install `{program}`, or remove `{key}` from {docker.config.path} and run `docker "
            "login` again",
        )
    if docker.context:
        yield problem(
            "docker-context",
            docker.context,
            "run `docker context use default`; `docker context ls` lists all contexts",
        )
    if not docker.absent_helpers and not docker.context:
        is_there = f"{docker.config.path} can be read"
        none = f"docker has no logins: there is no {docker.config.path}"
        yield ok("docker-config", is_there if docker.config.exists else none)


def buildx(facts: Facts) -> Iterator[Finding]:
    """The plugin, and the builder that runs use."""
    docker = facts.docker
    if docker.command is None or docker.command.why:
        return  # nothing can be known of its plugin
    if docker.buildx is None or docker.buildx.why:
        why = (
            f"it did not answer within {facts.seconds:.0f} s"
            if docker.buildx is None
            else docker.buildx.why
        )
        yield problem(
            "buildx-missing",
            f"docker has no usable buildx: {why}",
            f"install buildx {shown(OLDEST_BUILDX)} or newer (the package `docker-buildx-plugin`; "
            f"on Debian `docker-buildx`): {INSTALL_BUILDX}",
        )
    elif not docker.buildx.version:
        yield warning(
            "buildx-version",
            "the version of buildx is unknown",
            f"check that `docker buildx version` shows {shown(OLDEST_BUILDX)} or newer",
        )
        yield from _builder(facts)
    elif numbers(docker.buildx.version) < OLDEST_BUILDX:
        yield problem(
            "buildx-old",
            f"buildx {docker.buildx.version} is older than {shown(OLDEST_BUILDX)}",
            "update buildx; if you did, an old copy comes first: `docker info` shows its path, "
            "often `~/.docker/cli-plugins/docker-buildx`, which you can delete",
        )
    else:
        yield ok("buildx", f"buildx {docker.buildx.version}")
        yield from _builder(facts)


def _builder(facts: Facts) -> Iterator[Finding]:
    found, health = facts.docker.builder, facts.docker.health
    if health is None or health.trouble is not None:
        return  # the engine is the problem
    if found is None or found.why:
        why = "no answer" if found is None else found.why
        name = "" if found is None else f" `{found.name}`"
        yield problem(
            "buildx-builder",
            f"the builder{name} of the engine cannot be used: {why}",
            "run `docker buildx ls`; delete a damaged `~/.docker/buildx`, which has builders only",
        )
        return
    if found.driver != DRIVER:
        yield warning(
            "buildx-driver",
            f"the builder `{found.name}` has the driver `{found.driver}`: built images do not "
            "enter the engine, and cannot be tested there",
            f"run `docker buildx rm {found.name}`, which removes only the builder",
        )
        return
    yield ok("buildx-builder", f"builder `{found.name}`, BuildKit {found.version or 'unknown'}")
    platforms = {each.partition("/v")[0] for each in found.platforms}
    if lacking := [each for each in facts.images.platforms if platforms and each not in platforms]:
        platform = lacking[0].partition("/")[2].partition("/")[0]
        yield problem(
            "engine-platform",
            f"the engine cannot run {first_of(lacking, 'other platform')}, which images.toml asks "
            f"for; it runs {', '.join(sorted(platforms))}",
            f"install the emulator: `docker run --privileged --rm tonistiigi/binfmt --install "
            f"{platform}`",
        )


def numbers(version: str) -> tuple[int, ...]:
    """A version for a comparison, without what follows its first two numbers."""
    return tuple(int(each) for each in version.split(".")[:2] if each.isdigit())


def shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
