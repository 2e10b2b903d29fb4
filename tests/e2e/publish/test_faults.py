"""Publishing through a registry and an API that fail in exact places, in front of the real ones."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.e2e.support.fault_relay import FaultRelay, aws, changed
from tests.e2e.support.parts import relay
from tests.e2e.support.real import IMAGES, Local, Project, make_project
from tests.support.registry_server import Fault, answers, resets, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.support.running import Result

TAG = "1.0-cpu-py311"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def tested(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose image has been built and tested; each test publishes it anew."""
    project = make_project(tmp_path_factory.mktemp("project"))
    (project.folder / "program" / "noise").write_bytes(os.urandom(3_000_000))
    done = local.buildkit("build", "--all", folder=project.folder)
    assert done.code == 0, done.stderr
    return project


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
    return there.buildkit("push", "--all", "--registry", registry.host, folder=project.folder)


def served(local: Local, project: Project, registry: FaultRelay) -> str | None:
    """The digest under the exact tag, behind the relay."""
    found = local.manifest(f"{registry.prefix}{project.name}", TAG)
    return found[1] if found else None


def tags_put(registry: FaultRelay) -> list[str]:
    """The requests that gave a tag."""
    return [each for each in registry.requests if re.match(r"PUT .*/manifests/[^s]", each)]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([("POST", "uploads", answers(500), 3)], id="500"),
        pytest.param([("PUT", "manifests", answers(503), 2)], id="503 at the manifest"),
        pytest.param([("PUT", "uploads", answers(429, Retry_After="1"), 1)], id="429, in 1 s"),
        pytest.param([("HEAD", "blobs", answers(429), 2)], id="429"),
        pytest.param([("PUT", "uploads", resets, 2)], id="resets in mid-upload"),
        pytest.param([("PUT", f"manifests/{TAG}", resets, 1)], id="a reset at the tag"),
        pytest.param(
            [("PUT", "uploads", answers(403, "authorization token has expired"), 1)],
            id="an expired token in mid-push",
        ),
        pytest.param([("PUT", "uploads", answers(404), 1)], id="a lost upload"),
    ],
)
def test_what_passes_heals_by_itself(
    local: Local,
    tested: Project,
    registry: FaultRelay,
    faults: list[tuple[str, str, Callable[..., None], int]],
) -> None:
    registry.faults += [Fault(*each) for each in faults]
    done = push(local, tested, registry)
    assert done.code == 0, done.stderr
    assert all(each.times == 0 for each in registry.faults)
    assert done.stdout.splitlines()[1].endswith(f"@{served(local, tested, registry)}")


def test_a_manifest_that_is_cut_off_on_its_way_heals(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    spoil = changed(registry, lambda content: content[:-10])
    registry.faults.append(Fault("GET", "manifests/sha256:", spoil))
    assert push(local, tested, registry).code == 0


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


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param(
            ("POST", "uploads", answers(500, "out of order", Retry_After="0")),
            "500: out of order",
            id="500",
        ),
        pytest.param(("PUT", "uploads", answers(507)), "answered 507", id="no room"),
        pytest.param(
            (
                "PUT",
                "manifests",
                answers(403, '{"errors": [{"code": "DENIED", "message": "ecr:PutImage"}]}'),
            ),
            "denies access (403): DENIED, ecr:PutImage",
            id="access denied",
        ),
        pytest.param(
            ("POST", "uploads", answers(404, '{"errors": [{"code": "NAME_UNKNOWN"}]}')),
            "404: NAME_UNKNOWN",
            id="no such repository",
        ),
    ],
)
def test_what_stays_is_named_and_leaves_no_tag(
    local: Local,
    tested: Project,
    registry: FaultRelay,
    fault: tuple[str, str, Callable[..., None]],
    told: str,
) -> None:
    registry.faults.append(Fault(*fault, times=999))
    done = push(local, tested, registry)
    assert done.code == 5
    assert told in done.stderr
    assert "hint: " in done.stderr
    assert done.stdout == ""
    assert served(local, tested, registry) is None
    registry.faults.clear()
    healed = push(local, tested, registry)
    assert healed.code == 0, healed.stderr


def test_one_of_two_registries_fails_and_another_run_does_the_rest(
    local: Local, tested: Project, registry: FaultRelay
) -> None:
    registry.faults.append(Fault("PUT", "manifests", answers(507), times=99))
    both = ("push", "--all", "--json", "--registry", local.registry, "--registry", registry.host)
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


def test_one_kilobyte_a_second_is_slow_and_no_failure(local: Local, project: Project) -> None:
    """The layers are there: what is left to send takes its time."""
    assert local.buildkit("build", "--all", "--push", folder=project.folder).code == 0
    project.write(IMAGES.replace('"1.0"', '"1.0-1"'))
    assert local.buildkit("build", "--all", folder=project.folder).code == 0
    with relay(local.registry, rate=1024) as slow:
        done = local.buildkit("push", "--all", "--registry", slow.address, folder=project.folder)
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
    done = local.buildkit("push", "--all", *options, folder=tested.folder)
    assert done.code == 0, done.stderr
    assert "the record could not be attached" not in done.stderr
    told = ", ".join(f"{name}/{tested.name}:{TAG}" for name in names)
    assert re.search(rf"published(?: already)?: {re.escape(told)}\n", done.stderr), done.stderr
    again = local.buildkit("push", "--all", *options, folder=tested.folder)
    assert f"published already: {told}\n" in again.stderr
