"""What the clauses of hosting say of things observed; the observing is proven on mutants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.contract import checks
from buildkit.contract.checks import Broken
from buildkit.contract.engine import Entry, ImageView, Line, Process
from buildkit.contract.hosting import load, missing_model, request_rules, serverless, surroundings
from buildkit.contract.hosting.client import Answer, Health
from buildkit.contract.hosting.reference_server import Plain
from buildkit.contract.hosting.server import Serving
from buildkit.contract.hosting.traffic import Loaded
from buildkit.contract.image import accelerators, files, metadata
from buildkit.contract.image.basics import StillImage
from buildkit.contract.machine import Machine
from buildkit.model.features import CAPABILITIES, Feature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.checks import Check

OK = Answer(status=200, content_type="text/csv", body=b"1,2\n")
VIEW = ImageView(id="x", os="linux", architecture="amd64", user="", entrypoint=())
PACKAGE = "Package: {}\nStatus: install ok installed\n\n"


@dataclass
class Box:
    """A container that was not started: `tree` holds links as `-> target`, else contents."""

    tree: dict[str, str] = field(default_factory=dict)

    def look(self, path: str) -> Entry | None:
        found = self.tree.get(path)
        if found is None and any(each.startswith(f"{path}/") for each in self.tree):
            return Entry(name=path, kind="folder", size=0, mode=0o755)
        if found is None:
            return None
        link = found.removeprefix("-> ") if found.startswith("-> ") else ""
        return Entry(
            name=path, kind="link" if link else "file", size=len(found), mode=0o755, target=link
        )

    def get(self, path: str) -> Iterator[bytes] | None:
        from buildkit.contract.archive import Archive

        found = {each for each in self.tree if each == path or each.startswith(f"{path}/")}
        if not found:
            return None
        archive = Archive()
        for each in sorted(found):
            name = f"{Path(path).name}{each.removeprefix(path)}"
            archive.file(name, self.tree[each].encode())
        return archive.chunks()


def still(
    tree: dict[str, str] | None = None,
    features: frozenset[Feature] = frozenset(),
    reference: str = "demo:1",
    *,
    serves: bool = True,
    **view: Any,
) -> StillImage:
    return StillImage(
        reference=reference,
        view=replace(VIEW, **view),
        architecture="amd64",
        trains=True,
        serves=serves,
        features=features,
        shell=b"",
        opt_ml=(),
        container=Box(tree or {}),  # type: ignore[arg-type]
    )


def verdict(check: Check[Any], observed: object) -> str:
    return checks.run(check, observed).status.value


TORCH = "/usr/lib/python3.11/site-packages/torch/version.py"
NEW_TORCH = "__version__ = '2.9.1+cpu'\n"


@pytest.mark.parametrize(
    ("tree", "promised", "found"),
    [
        pytest.param({TORCH: NEW_TORCH}, True, "warn", id="not on PATH"),
        pytest.param({TORCH: NEW_TORCH, "/usr/bin/torchrun": "x"}, True, "pass", id="on PATH"),
        pytest.param({TORCH: "__version__ = '1.9.0'"}, True, "skip", id="before there was one"),
        pytest.param({"/usr/bin/torchrun": "x"}, True, "skip", id="no torch"),
        pytest.param({TORCH: NEW_TORCH}, False, "skip", id="nobody calls it from outside"),
    ],
)
def test_torchrun(tree: dict[str, str], promised: bool, found: str) -> None:
    features = frozenset([Feature.SDK_V3] if promised else [])
    assert verdict(accelerators.has_torchrun, still(tree, features)) == found


@pytest.mark.parametrize(
    ("media_type", "found"),
    [
        (None, "skip"),
        ("application/vnd.docker.distribution.manifest.v2+json", "pass"),
        ("application/vnd.docker.distribution.manifest.list.v2+json", "fail"),
        ("application/vnd.oci.image.manifest.v1+json", "fail"),
        ("application/vnd.oci.image.index.v1+json", "fail"),
    ],
)
def test_manifest(media_type: str | None, found: str) -> None:
    assert verdict(metadata.docker_manifest, still(media_type=media_type)) == found


@pytest.mark.parametrize(
    ("reference", "found"),
    [("sha256:" + "a" * 64, "pass"), ("a" * 255, "pass"), ("a" * 256, "fail"), ("a b", "fail")],
)
def test_reference(reference: str, found: str) -> None:
    assert verdict(metadata.reference_suits, still(reference=reference)) == found


@pytest.mark.parametrize(
    ("value", "found"), [(None, "fail"), ("true", "pass"), ("True", "fail"), ("", "fail")]
)
def test_label_of_a_promised_feature(value: str | None, found: str) -> None:
    labels = {} if value is None else {CAPABILITIES[Feature.MULTI_MODEL]: value}
    image = still(features=frozenset({Feature.MULTI_MODEL}), labels=labels)
    assert verdict(metadata.labels_are_true, image) == found


def test_size() -> None:
    assert verdict(metadata.not_too_large, still(size=11 * 1024**3)) == "warn"
    assert verdict(metadata.not_too_large, still(size=9 * 1024**3)) == "pass"


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("ENV GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D", "pass"),
        ("ENV TOKENIZERS_PARALLELISM=false USE_TOKEN=false", "pass"),
        ("RUN pip install --index-url https://user:$PASSWORD@host/", "pass"),
        ("RUN cat --password-file=/run/secrets/password DB_PASSWORD=$DB", "pass"),
        ("ARG API_TOKEN=abcdefgh", "warn"),
        ("RUN |1 DB_PASSWORD=hunter22 /bin/sh -c true", "warn"),
        ("ENV KEY=AKIAIOSFODNN7EXAMPLE", "fail"),
        ("RUN git clone https://me:pa55word@example.com/x", "fail"),
        ("RUN echo '-----BEGIN RSA PRIVATE KEY-----'", "fail"),
    ],
)
def test_secrets(step: str, found: str) -> None:
    assert verdict(metadata.no_secrets, still(history=(step,))) == found


@pytest.mark.parametrize(
    ("tree", "environment", "found"),
    [
        ({}, {}, "skip"),
        ({"/usr/bin/python3": "ELF", "/usr/bin/serve": "#!/bin/sh\nexec app"}, {}, "skip"),
        ({"/usr/bin/python3": "ELF", "/usr/bin/serve": "#!/usr/bin/env python3\n"}, {}, "warn"),
        ({"/usr/bin/python3": "ELF", "/usr/bin/serve": "#!/usr/bin/python3 -u\n"}, {}, "pass"),
        (
            {"/usr/bin/python3": "ELF", "/usr/bin/serve": "#!/usr/bin/env python3\n"},
            {"PYTHONUNBUFFERED": "TRUE"},
            "pass",
        ),
    ],
)
def test_python_buffers(tree: dict[str, str], environment: dict[str, str], found: str) -> None:
    image = still(tree, environment=environment)
    assert verdict(metadata.python_is_not_buffered, image) == found


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        ({}, "pass"),
        ({"/usr/lib64/libcuda.so.1": "-> /usr/local/cuda/compat/libcuda.so.1"}, "pass"),
        ({"/usr/lib64/libcuda.so.1": ""}, "pass"),  # left behind by the NVIDIA runtime
        (
            {"/usr/lib64/libcuda.so.1": "-> libcuda.so.535", "/usr/lib64/libcuda.so.535": "ELF"},
            "fail",
        ),
        (
            {
                "/usr/lib64/libcuda.so.1": "-> /usr/local/cuda-12/compat/libcuda.so.550",
                "/usr/local/cuda-12/compat/libcuda.so.550": "ELF",
            },
            "pass",
        ),
        ({"/usr/bin/nvidia-smi": "ELF"}, "fail"),
        ({"/usr/lib64/libcuda.so.1": "-> libcuda.so.1"}, "pass"),  # a loop
    ],
)
def test_driver_libraries(tree: dict[str, str], found: str) -> None:
    assert verdict(accelerators.no_driver_library, still(tree)) == found


def test_driver_packages() -> None:
    installed = PACKAGE.format("nvidia-driver-535") + PACKAGE.format("bash")
    removed = installed.replace("install ok installed", "deinstall ok config-files")
    assert verdict(accelerators.no_driver, still({files.PACKAGES: installed})) == "fail"
    assert verdict(accelerators.no_driver, still({files.PACKAGES: removed})) == "pass"


def test_mpi_and_efa() -> None:
    tree = {
        "/usr/sbin/sshd": "x",
        "/usr/bin/mpirun": "x",
        "/run/sshd": "x",
        "/usr/local/lib/python3.11/site-packages/mpi4py": "x",
        "/usr/local/lib/python3.11/site-packages/paramiko": "x",
        "/opt/amazon/efa/bin/fi_info": "x",
        "/opt/amazon/efa/lib/libfabric.so.1": "x",
    }
    assert verdict(accelerators.has_mpi, still(tree)) == "pass"
    assert verdict(accelerators.has_efa, still(tree)) == "pass"
    for lost, found in (("/usr/bin/mpirun", "fail"), ("/run/sshd", "warn")):
        assert verdict(accelerators.has_mpi, still({**tree, lost: ""})) == found


def serving(**facts: Any) -> Any:
    """A server whose container is a namespace of what a check looks at."""
    container = SimpleNamespace(
        wait=lambda _seconds: facts.get("ended"),
        processes=lambda: facts.get("processes", ()),
        logs=lambda: facts.get("log", ""),
        lines=lambda: tuple(Line(at=0.0, text=text) for text in facts.get("log", "").splitlines()),
        ended_by=lambda: "",
        execute=lambda *_command: (0, facts.get("told", "")),
        processor_seconds=lambda: 0.0,
    )
    return Serving(
        container=container,
        machine=Machine(engine=SimpleNamespace(), image="demo"),
        client=SimpleNamespace(),  # type: ignore[arg-type]
        refusal=None,
        health=Health(after=facts.get("after", 1.0), last=OK),
        exit_code=facts.get("exit_code"),
    )


def test_java() -> None:
    def found(command: str) -> str:
        server = serving(processes=(Process(pid=1, state="S", command=command),))
        return verdict(load.java_counts_processors, Loaded(serving=server, first=None))

    assert found("/usr/bin/java -jar a.jar") == "warn"
    assert found("java -XX:-UseContainerSupport -jar a.jar") == "pass"
    assert found("python3 java.py") == "skip"


def test_zombies_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "ZOMBIE_SECONDS", 0)
    monkeypatch.setattr(Machine, "slowdown", lambda _self: 1.0)
    alive = "1 (serve) S 0 1\n8 (a) Z (b) R 1 1\n"
    for told, found in (("", "skip"), (alive, "pass"), (alive + "7 (x) Z 1 1\n", "warn")):
        loaded = Loaded(serving=serving(told=told), first=None)
        assert verdict(load.children_are_reaped, loaded) == found


def test_a_server_that_has_ended_is_the_matter_of_one_clause() -> None:
    ended = Loaded(serving=serving(ended=3), first=None)
    assert verdict(request_rules.unknown_paths_are_not_found, ended) == "skip"
    assert verdict(load.stops_while_answering, ended) == "skip"


@pytest.mark.parametrize(
    ("facts", "settled", "answer", "found"),
    [
        ({"after": None}, False, None, "pass"),
        ({"after": None, "exit_code": 1}, False, None, "pass"),
        ({"after": None, "exit_code": 0}, False, None, "warn"),
        ({}, True, None, "warn"),
        ({}, True, Broken("no answer"), "warn"),
        ({}, True, replace(OK, status=500), "warn"),
        ({}, True, replace(OK, body=b"1,2.0"), "skip"),  # it needs no model
    ],
)
def test_spoilt_models(
    facts: dict[str, Any], settled: bool, answer: Answer | Broken | None, found: str
) -> None:
    seen = missing_model.Spoilt(
        serving=serving(**facts), name="no model", good=OK, settled=settled, answer=answer
    )
    assert verdict(missing_model.not_ready_without_model, seen) == found


@pytest.mark.parametrize(
    ("works", "writable", "log", "found"),
    [
        (True, False, "", "pass"),
        (True, False, "OSError: [Errno 30] Read-only file system: '/opt/ml/model/x'", "warn"),
        (True, False, "Read-only file system: '/root/.cache'", "pass"),
        (False, False, "", "skip"),
        (False, True, "", "fail"),
    ],
)
def test_read_only(works: bool, writable: bool, log: str, found: str) -> None:
    plain = Plain(first=None, fault="" if works else "it failed", log=log)
    seen = surroundings.Writable(plain=plain, works_writable=writable)
    assert verdict(surroundings.read_only_is_enough, seen) == found


@pytest.mark.parametrize(
    ("after", "late", "plain", "found"),
    [
        (100.0, False, 5.0, "pass"),
        (250.0, False, 5.0, "pass"),  # of which only some count
        (20.0, True, 5.0, "warn"),
        (20.0, True, 190.0, "fail"),
        (None, True, 5.0, "fail"),
        (None, False, 5.0, "skip"),
    ],
)
def test_serverless_start(after: float | None, late: bool, plain: float, found: str) -> None:
    small = serverless.Small(serving=serving(after=after), plain_seconds=plain, size=0, late=late)
    assert verdict(serverless.starts_in_time, small) == found


def test_serverless_size() -> None:
    small = serverless.Small(serving=serving(), plain_seconds=1, size=11 * 1024**3)
    assert verdict(serverless.works_in_little, small) == "fail"


def test_workers_by_their_command() -> None:
    def found(*commands: str) -> str:
        rows = tuple(Process(pid=n, state="S", command=c) for n, c in enumerate(commands))
        return verdict(serverless.one_worker, serving(processes=rows))

    assert found("gunicorn app", "gunicorn app") == "pass"  # a master and its worker
    assert found("gunicorn app", "gunicorn app", "gunicorn app") == "warn"
    assert found(*["nginx: worker process"] * 4, "python serve") == "pass"
