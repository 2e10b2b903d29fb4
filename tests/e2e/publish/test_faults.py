"""Publishing through a registry and an API that fail in exact places, in front of the real ones."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.fault_relay import FaultRelay, aws, changed
from tests.e2e.support.parts import relay
from tests.support.registry_server import Fault, answers, resets, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support.real import Local, Project
    from tests.e2e.support.running import Result

TAG = "1.0-cpu-py311"
NUMBERS = itertools.count()


@pytest.fixture
def registry(local: Local) -> Iterator[FaultRelay]:
    """The registry behind a relay, where this test has repositories of its own."""
    relay = FaultRelay(target=f"http://{local.registry}", prefix=f"faults-{next(NUMBERS)}/")
    with running(relay):
        yield relay


@pytest.fixture
def api(local: Local) -> Iterator[FaultRelay]:
    with running(FaultRelay(target=local.env["AWS_ENDPOINT_URL"])) as relay:
        yield relay


def push(there: Local, project: Project, registry: FaultRelay) -> Result:
    one = f"{project.name}-1.0*"
    return there.buildkit("push", one, "--registry", registry.host, folder=project.folder)


def served(local: Local, project: Project, registry: FaultRelay) -> str | None:
    """The digest under the exact tag, behind the relay."""
    found = local.manifest(f"{registry.prefix}{project.repository}", TAG)
    return found[1] if found else None


def tags_put(registry: FaultRelay) -> list[str]:
    """The requests that gave a tag."""
    return [each for each in registry.requests if re.match(r"PUT .*/manifests/[^s]", each)]


def test_what_passes_heals_by_itself(local: Local, tested: Project, registry: FaultRelay) -> None:
    """One publication that meets everything. Each by itself is a unit test of the registry."""
    registry.faults += [
        Fault("HEAD", "blobs", answers(429), 2),
        Fault("POST", "uploads", answers(500), 2),
        Fault("PUT", "uploads", answers(429, Retry_After="1"), 1),
        Fault("PUT", "uploads", resets, 1),
        Fault("PUT", "uploads", answers(404), 1),
        Fault("PUT", "uploads", answers(403, "authorization token has expired"), 1),
        Fault("PUT", "manifests/sha256:", answers(503), 2),
        Fault("GET", "manifests/sha256:", changed(registry, lambda content: content[:-10])),
        Fault("PUT", f"manifests/{TAG}", resets, 1),
    ]
    done = push(local, tested, registry)
    assert done.code == 0, done.stderr
    assert [each for each in registry.faults if each.times] == []
    assert done.stdout.splitlines()[1].endswith(f"@{served(local, tested, registry)}")


def test_a_manifest_that_comes_back_different_gets_no_tag(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    spoil = changed(registry, lambda content: content.replace(b"config", b"conFig"))
    registry.faults.append(Fault("GET", "manifests/sha256:", spoil, times=99))
    done = push(local, tested, registry)
    assert done.code == 5
    assert "instead of sha256:" in done.stderr
    assert "hint: " in done.stderr
    assert tags_put(registry) == []
    registry.faults.clear()
    assert push(local, tested, registry).code == 0


def test_what_stays_is_named_and_leaves_no_tag(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    text = '{"errors": [{"code": "DENIED", "message": "ecr:PutImage"}]}'
    for fault, told in (
        (("PUT", "uploads", answers(507)), "answered 507"),
        (("PUT", "manifests", answers(403, text)), "denies access (403): DENIED, ecr:PutImage"),
    ):
        registry.faults[:] = [Fault(*fault, times=999)]
        done = push(local, tested, registry)
        assert done.code == 5
        assert told in done.stderr
        assert "hint: " in done.stderr
        assert done.stdout == ""
        assert served(local, tested, registry) is None


def test_one_of_two_registries_fails_and_another_run_does_the_rest(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    registry.faults.append(Fault("PUT", "manifests", answers(507), times=99))
    hosts = ("--registry", local.registry, "--registry", registry.host)
    both = ("push", f"{tested.name}-1.0*", "--json", *hosts)
    done = local.buildkit(*both, folder=tested.folder)
    assert done.code == 5
    assert f"1 of 2 registries failed: {registry.host}: " in done.stderr
    assert f"done: {local.registry}" in done.stderr
    assert served(local, tested, registry) is None
    registry.faults.clear()
    healed = local.buildkit(*both, folder=tested.folder)
    assert healed.code == 0, healed.stderr
    (target,) = healed.json["targets"]
    assert [each["pushed"] for each in target["locations"]] == [False, True]
    assert target["digest"] == served(local, tested, registry)


def test_a_tag_that_another_publisher_was_quicker_to_give(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    """ECR's own words for an immutable tag; the same digest is no failure."""
    text = '{"errors": [{"code": "TAG_INVALID", "message": "tag is immutable"}]}'

    def taken(handler: object) -> tuple[int, dict[str, str], bytes]:
        other = replace(registry, faults=[])
        body = handler.rfile.read(int(handler.headers["Content-Length"]))  # type: ignore[attr-defined]
        other.reply("PUT", handler.path, handler.headers, body)  # type: ignore[attr-defined]
        handler.headers.replace_header("Content-Length", "0")  # type: ignore[attr-defined]
        return 400, {}, text.encode()

    registry.faults.append(Fault("PUT", f"manifests/{TAG}", taken))
    done = push(local, tested, registry)
    assert done.code == 0, done.stderr


def test_one_kilobyte_a_second_is_slow_and_no_failure(local: Local, tested: Project) -> None:
    """Another registry by its name, where the layers are: what is left to send takes its time."""
    one = ("push", f"{tested.name}-1.0*")
    assert local.buildkit(*one, folder=tested.folder).code == 0
    local.delete(tested.repository, TAG)
    with relay(local.registry, rate=1024) as slow:
        done = local.buildkit(*one, "--registry", slow.address, folder=tested.folder)
    assert done.code == 0, done.stderr
    assert slow.passed > 5 * 1024


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        pytest.param(aws(400, "ThrottlingException"), 0, "published", id="throttled"),
        pytest.param(
            aws(400, "ExpiredTokenException", "The security token included is expired"),
            5,
            "log in again",
            id="expired credentials",
        ),
        pytest.param(
            aws(400, "AccessDeniedException", "not authorized to perform: ecr:CreateRepository"),
            5,
            "ecr:CreateRepository",
            id="access denied",
        ),
        pytest.param(
            aws(400, "InvalidSignatureException", "Signature expired: is now earlier than"),
            5,
            "clock",
            id="clock skew",
        ),
    ],
)
def test_the_api_of_ecr_fails(  # noqa: PLR0917 - pytest's own way
    local: Local,
    tested: Project,
    registry: FaultRelay,
    api: FaultRelay,
    fault: Callable[..., tuple[int, dict[str, str], bytes]],
    code: int,
    told: str,
) -> None:
    times = 999 if code else 1
    api.faults.append(Fault("POST", "", fault, times=times))
    there = replace(local, env={**local.env, "AWS_ENDPOINT_URL": f"http://{api.host}"})
    done = push(there, tested, registry)
    assert done.code == code, done.stderr
    assert told in done.stderr
    if code:
        assert served(local, tested, registry) is None


def test_two_names_of_one_registry_meet_and_nothing_fails(local: Local, tested: Project) -> None:
    """What lies beside the image is sent to both at once, and so to one."""
    names = [local.registry, f"localhost:{local.registry.rpartition(':')[2]}"]
    options = [word for name in names for word in ("--registry", name)]
    one = ("push", f"{tested.name}-1.0*", *options)
    done = local.buildkit(*one, folder=tested.folder)
    assert done.code == 0, done.stderr
    assert "the record could not be attached" not in done.stderr
    told = ", ".join(f"{name}/{tested.repository}:{TAG}" for name in names)
    assert re.search(rf"published(?: already)?: {re.escape(told)}\n", done.stderr), done.stderr
    again = local.buildkit(*one, folder=tested.folder)
    assert f"published already: {told}\n" in again.stderr
