"""Images that an engine cannot lay out, and what a test keeps: no container is started."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from buildkit.contract import archive, causes, checks, kept, machine, probe, runner
from buildkit.contract.checks import Broken
from buildkit.contract.engine import Blocked, Entry, Line, Refusal, Unfit
from buildkit.contract.hosting import serving, starting
from buildkit.contract.hosting.client import Health
from buildkit.contract.image import basics
from buildkit.contract.jobs import stopped, training, training_runs
from buildkit.contract.scenario import Bench, Subject
from buildkit.contract.signs import Sign
from buildkit.contract.suite import checks_of
from buildkit.engine.containers import Container
from buildkit.engine.engine import Engine as Docker
from buildkit.model.image import Status
from buildkit.model.target import Payload, Profile, Purpose, Samples
from buildkit.support.errors import ToolError
from buildkit.verify import subject as subject_of
from tests.unit.contract.test_contract import (
    GOOD,
    STILL,
    VIEW,
    FakeClient,
    FakeContainer,
    file,
    server,
    statuses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What the engine says


def refused(explanation: str, status: int = 500) -> docker.errors.APIError:
    response: Any = SimpleNamespace(status_code=status, reason="x", url="u", text="")
    return docker.errors.APIError("no", response=response, explanation=explanation)


class Refusing:
    """A container of docker-py that takes no archive."""

    id = "c"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def put_archive(self, _path: str, _archive: object) -> None:
        raise self.error

    def start(self) -> None:
        raise self.error


def container(error: Exception) -> Container:
    fake: Any = Refusing(error)
    return Container(docker=fake, host="", bridged=False, overrun=lambda: "")


@pytest.mark.parametrize(
    "said",
    [
        "mkdir opt/ml/model: not a directory",
        'resolve mount destination "/opt/ml": lstat /x/overlayfs/14e06d/opt/ml: not a directory',
        "evalSymlinksInScope: too many links in /x/overlay2/ff46/merged/opt/ml/model",
        "extraction point is not a directory",
        "Could not find the file /opt/ml in container 51f2",
    ],
)
def test_a_path_that_is_no_folder_is_the_image_s_fault(said: str) -> None:
    with pytest.raises(Unfit) as caught:
        container(refused(said)).put("/opt/ml", [])
    assert "copying into /opt/ml: " in str(caught.value)
    assert "overlay" not in str(caught.value)


@pytest.mark.parametrize("said", ["context canceled", "no such container", "internal error"])
def test_anything_else_is_the_engine_s(said: str) -> None:
    with pytest.raises(ToolError):
        container(refused(said)).put("/opt/ml", [])


def test_a_user_that_no_kernel_has_is_a_refusal() -> None:
    assert container(refused("uids and gids must be in range 0-2147483647")).start() is not None


# What the suite makes of it


class Engine:
    """Its containers cannot be laid out."""

    def view(self, _image: str) -> Any:
        return VIEW

    def connected(self, *, outside: bool) -> Engine:
        assert not outside
        return self

    @contextmanager
    def volume(self) -> Iterator[str]:
        yield "volume"

    @contextmanager
    def container(self, _image: str, _start: object) -> Iterator[Any]:
        fake = FakeContainer()

        def put(path: str, archive: Iterator[bytes]) -> None:
            assert b"".join(archive)
            raise Blocked(f"copying into {path}: not a directory")

        fake.put = put  # type: ignore[attr-defined]
        yield fake


def test_an_image_that_cannot_be_laid_out_breaks_the_clause_of_its_start() -> None:
    subject = Subject(
        image="demo", architecture="amd64", purpose=Purpose.TRAINING, samples=Samples()
    )
    engine: Any = Engine()
    found = {each.id: each for each in runner.run(subject, engine, Profile.SMOKE)}
    assert found["RUN-01"].status.value == "fail"
    assert "not a directory" in found["RUN-01"].message
    assert "`buildkit explain IMG-06`" in found["RUN-01"].hint
    assert found["OUT-01"].status.value == "skip"


class NoContainer(Engine):
    """Not even a container of the image can be made: its WORKDIR is a file."""

    @contextmanager
    def container(self, _image: str, _start: object) -> Iterator[Any]:
        raise Unfit("creating a container of `demo`: Cannot mkdir: /work is not a directory")
        yield


@pytest.mark.parametrize("profile", Profile)
def test_an_image_without_any_container_is_blamed_too(profile: Profile) -> None:
    engine: Any = NoContainer()
    assert probe.purpose("demo", engine, (), {}) is None
    subject = Subject(image="demo", architecture="amd64", purpose=Purpose.BOTH, samples=Samples())
    failed = [each for each in runner.run(subject, engine, profile) if each.status.value == "fail"]
    assert [each.id for each in failed] == ["RUN-01"]
    assert "Cannot mkdir: /work" in failed[0].message
    assert "WORKDIR" in failed[0].hint


def test_a_pipe_at_the_model_is_said_once_with_its_own_cure() -> None:
    blocked = Broken("copying into /opt/ml: not a directory", Sign.UNFIT, Sign.BLOCKED)
    held = checks.judged("OUT-03", Broken("a pipe", Sign.BLOCKED, Sign.NO_FOLDER))
    starts = [checks.judged(id_, blocked) for id_ in ("RUN-01", "RUN-02")]
    found = causes.named([*starts, held])
    assert [each.message for each in found[:2]] == ["not judged: see OUT-03"] * 2
    assert "mkfifo" in found[2].result.hint
    alone = causes.named(starts)
    assert [each.status.value for each in alone] == ["fail", "skip"]
    assert "IMG-06" in alone[0].result.hint


def test_a_program_that_is_missing_is_said_with_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SimpleNamespace(
        view=lambda _image: dataclasses.replace(VIEW, environment={"PATH": ""})
    )
    bench: Any = SimpleNamespace(engine=engine, subject=SimpleNamespace(image="demo"))
    said = 'exec: "train": executable file not found in $PATH'
    monkeypatch.setattr(machine, "started", lambda _container: said)
    empty = Refusal(f"{said}; PATH is ''", (Sign.EMPTY_PATH,))
    assert machine.refused(bench, FakeContainer()) == empty  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "path", "more"),
    [
        (
            'exec: "/opt/program/strat.sh": stat /opt/program/strat.sh: no such file or directory',
            "/bin",
            "; `/opt/program/strat.sh` is the image's ENTRYPOINT",
        ),
        ("crun: executable file `/x` not found: No such file or directory", "/bin", "; `/x` is …"),
        (
            'exec: "strat.sh": executable file not found in $PATH',
            "/bin",
            "; `strat.sh` is the image's ENTRYPOINT; PATH is '/bin'",
        ),
        ('exec: "strat.sh": executable file not found in $PATH', None, "; `strat.sh` is …"),
    ],
)
def test_an_entrypoint_that_is_missing_is_named(
    said: str, path: str | None, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = more.split("`")[1]
    environment = {} if path is None else {"PATH": path}
    view = dataclasses.replace(VIEW, environment=environment, entrypoint=(program, "-x"))
    engine = SimpleNamespace(view=lambda _: view)
    bench: Any = SimpleNamespace(engine=engine, subject=SimpleNamespace(image="demo"))
    monkeypatch.setattr(machine, "started", lambda _container: said)
    more = more.replace("…", "the image's ENTRYPOINT")
    refusal = machine.refused(bench, FakeContainer())  # type: ignore[arg-type]
    assert refusal == Refusal(f"{said}{more}", (Sign.NO_ENTRYPOINT,))
    hint = checks.judged("RUN-01", Broken(str(refusal), *refusal.signs)).result.hint
    assert "the file that ENTRYPOINT names" in hint
    view = dataclasses.replace(view, entrypoint=("/bin/sh", program))
    refusal = machine.refused(bench, FakeContainer())  # type: ignore[arg-type]
    assert refusal is not None
    assert refusal.signs == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (None, "cannot be started: creating a container: Cannot mkdir /work"),
        (("train",), "has `train` on its PATH, which its ENTRYPOINT did not start"),
        ((), "starts neither `train` nor `serve`"),
    ],
)
def test_why_a_purpose_is_unknown_is_said(
    words: tuple[str, ...] | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def held(_image: str, _engine: object) -> tuple[str, ...]:
        if words is None:
            raise Unfit("creating a container: Cannot mkdir /work")
        return words

    monkeypatch.setattr(probe, "held", held)
    monkeypatch.setattr(probe, "purpose", lambda *_: None)
    docker: Any = SimpleNamespace(view=lambda _: VIEW)
    assert subject_of._found(docker, "demo", (), Samples()) is Purpose.BOTH
    assert said in capsys.readouterr().err


PAYLOAD = Payload(content_type="text/csv", body="body.csv")


@pytest.mark.parametrize(
    ("detected", "samples", "tested"),
    [
        ("training", Samples(), "training"),
        ("training", Samples(payloads=(PAYLOAD,)), "both"),
        ("training", Samples(payloads=(PAYLOAD,), default=True), "training"),
        ("training", Samples(hyperparameters=(("a", "1"),)), "training"),
        ("inference", Samples(hyperparameters=(("a", "1"),)), "both"),
        ("inference", Samples(model="model"), "inference"),
        ("both", Samples(payloads=(PAYLOAD,)), "both"),
        ("processing", Samples(channels=(("a", "a"),)), "processing"),
        ("processing", Samples(payloads=(PAYLOAD,)), "processing"),
    ],
)
def test_what_samples_are_given_for_is_tested(
    monkeypatch: pytest.MonkeyPatch, detected: str, samples: Samples, tested: str
) -> None:
    """Else a test passes without a word about the samples."""
    monkeypatch.setattr(probe, "purpose", lambda *_: Purpose(detected))
    docker: Any = SimpleNamespace(view=lambda _: VIEW)
    assert subject_of._found(docker, "demo", (), samples) is Purpose(tested)


def test_a_folder_with_the_name_of_a_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"PATH": "/usr/bin:/usr/local/bin"}
    engine = SimpleNamespace(view=lambda _: dataclasses.replace(VIEW, environment=environment))
    bench: Any = SimpleNamespace(engine=engine, subject=SimpleNamespace(image="demo"))
    said = 'exec: "serve": executable file not found in $PATH'
    monkeypatch.setattr(machine, "started", lambda _container: said)
    holds = held(__usr__local__bin__serve="folder").container
    folder = Refusal(f"{said}; /usr/local/bin/serve is a folder", (Sign.FOLDER_ON_PATH,))
    assert machine.refused(bench, holds) == folder


def test_a_user_that_does_not_exist_is_seen_in_what_the_engine_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = "unable to find user nobody-knows: no matching entries in passwd file"
    monkeypatch.setattr(machine, "started", lambda _container: said)
    bench: Any = None
    refusal = machine.refused(bench, FakeContainer())  # type: ignore[arg-type]
    assert refusal == Refusal(said, (Sign.NO_USER,))
    starts = [
        checks.judged(id_, Broken("cannot start", *refusal.signs)) for id_ in ("RUN-01", "RUN-02")
    ]
    assert causes.named(starts)[1].message == "not judged: see RUN-01"


class Endless(FakeContainer):
    """Holds what a job needs, and does not end."""

    def put(self, _path: str, archive: Iterator[bytes]) -> None:
        assert b"".join(archive)

    def start(self) -> None:
        return None

    def ended_at(self) -> None:
        return None


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        (Samples(), 10),
        (Samples(default=True), 10),
        (Samples(default=True, channels=(("train", "/no/such/folder"),)), 600),
        (Samples(environment=(("A", "1"),)), 600),
    ],
)
def test_train_without_samples_gets_little_time(
    samples: Samples, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def wait(_machine: object, _container: object, limit: float) -> None:
        asked.append(limit)

    monkeypatch.setattr(machine.Machine, "wait", wait)
    subject = Subject(image="x", architecture=None, purpose=Purpose.TRAINING, samples=samples)
    engine: Any = Engine()
    fake: Any = Endless()
    fake.send = lambda _name: None
    with ExitStack() as kept:
        bench = Bench(subject=subject, engine=engine, kept=kept)
        run = training_runs.finish(bench, fake)
    assert asked == [seconds]
    assert run.starved is (seconds == 10)


def test_a_train_that_waits_for_data_is_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = dataclasses.replace(GOOD, exit_code=None, bare=True, brief=True)
    monkeypatch.setattr(training_runs, "trained", lambda _bench: waits)
    bench: Any = SimpleNamespace(once=lambda make: make(bench))
    with pytest.raises(checks.Unsampled, match="does not end"), stopped.stopped.stage(bench):
        raise AssertionError


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"refusal": Refusal("no such file")}, "skip"),
        ({"exit_code": 1}, "skip"),
        ({}, "fail"),
    ],
)
def test_a_server_that_does_not_start_is_said_once(facts: dict[str, Any], status: str) -> None:
    seen = server(FakeClient(), health=SILENT, **facts)
    judged = [checks.run(each, seen) for each in (serving.starts, serving.healthy_in_time)]
    assert causes.named(judged)[1].status.value == status


def test_a_variable_that_is_only_a_name_is_no_trouble() -> None:
    found = SimpleNamespace(
        attrs={
            "Id": "x",
            "Os": "linux",
            "Architecture": "amd64",
            "Config": {"Env": ["A=1=2", "B"]},
        },
        history=list,
    )
    docker_py = SimpleNamespace(images=SimpleNamespace(get=lambda _image: found))
    fake: Any = SimpleNamespace(client=docker_py, _media_type=lambda *_: None)
    assert Docker.view(fake, "demo").environment == {"A": "1=2", "B": ""}


def held(**entries: str) -> Any:
    """A container of an image with these kinds at these paths."""
    fake: Any = FakeContainer()
    paths = {name.replace("__", "/"): kind for name, kind in entries.items()}

    def look(path: str) -> Entry | None:
        kind, _, target = paths.get(path, "").partition(" ")
        return Entry(name=path, kind=kind, size=1, mode=0o755, target=target) if kind else None

    fake.look = look
    return dataclasses.replace(STILL, container=fake)


@pytest.mark.parametrize(
    ("entries", "broken"),
    [
        ({}, {}),
        ({"__opt__ml": "folder", "__opt__ml__model": "folder"}, {}),
        ({"__opt__ml__model": "link /data"}, {"OUT-03": "fail"}),
        ({"__opt__ml__model": "file"}, {"OUT-03": "fail"}),
        ({"__opt__ml": "link /data"}, {"IMG-06": "fail"}),
        ({"__opt__ml__input": "link /data"}, {"IMG-06": "fail"}),
        ({"__opt__ml__output__data": "file"}, {"IMG-06": "fail"}),
        ({"__opt__ml__code": "link /opt/program"}, {}),
        ({"__tmp": "folder"}, {}),
        ({"__tmp": "link /var/tmp", "__var__tmp": "folder"}, {}),
        ({"__tmp": "link /nowhere"}, {"TREE-03": "warn"}),
        ({"__tmp": "link /a", "__a": "link /b", "__b": "loop"}, {"TREE-03": "warn"}),
        ({"__tmp": "loop"}, {"TREE-03": "warn"}),
        ({"__tmp": "pipe"}, {"TREE-03": "warn"}),
        ({"__opt__ml__input": "loop"}, {"IMG-06": "fail"}),
        ({"__opt__ml__checkpoints": "link /nowhere"}, {"IMG-06": "fail"}),
        ({"__opt__ml__output": "pipe"}, {"IMG-06": "fail"}),
        ({"__opt__ml": "loop", "__opt__ml__model": "loop"}, {"IMG-06": "fail"}),
        ({"__opt": "file"}, {"IMG-06": "fail"}),
        ({"__opt": "link /data", "__data": "folder"}, {}),
        ({"__opt__ml__model": "loop"}, {"OUT-03": "fail"}),
        ({"__tmp": "file"}, {"TREE-03": "warn"}),
        ({"__tmp": "link tmp"}, {"TREE-03": "warn"}),
    ],
)
def test_what_sagemaker_mounts_is_a_folder_in_the_image(
    entries: dict[str, str], broken: dict[str, str]
) -> None:
    assert statuses(checks_of(basics), held(**entries)) == broken


@pytest.mark.parametrize(
    ("kind", "name", "broken"),
    [
        ("link", "ml/input/data/train", {"IMG-06": "fail"}),
        ("pipe", "ml/output/failure", {"IMG-06": "fail"}),
        ("folder", "ml/input/data/train", {}),
        ("link", "ml/code/train.py", {}),
        ("link", "ml/processing/last", {}),
    ],
)
def test_links_where_channels_and_results_lie(kind: str, name: str, broken: dict[str, str]) -> None:
    entry = Entry(name=name, kind=kind, size=0, mode=0o777, target="x" if kind == "link" else "")
    assert statuses(checks_of(basics), dataclasses.replace(STILL, opt_ml=(entry,))) == broken


FOLDER = Entry(name="model", kind="folder", size=0, mode=0o755)


@pytest.mark.parametrize(
    ("tree", "whole"),
    [
        ((FOLDER, file("model/m")), True),
        ((Entry(name="model", kind="link", size=0, mode=0o777, target="/data"),), False),
        ((file("model"),), False),
        ((), False),
    ],
)
def test_a_model_that_train_replaces_by_a_link_or_a_file(
    tree: tuple[Entry, ...], whole: bool
) -> None:
    run = dataclasses.replace(GOOD, tree=tree)
    assert run.has_folder("model") is whole
    assert statuses([training.model_appears], run) == ({} if whole else {"OUT-03": "fail"})


@pytest.mark.parametrize(
    ("name", "clause"),
    [
        ("output", "OUT-05"),
        ("output/data", "OUT-05"),
        ("checkpoints", "OUT-05"),
        ("input", "TREE-01"),
        ("input/config", "TREE-01"),
        ("input/data", "TREE-01"),
        ("code", "TREE-01"),
        ("output/data/plots", "OUT-05"),
        ("model/last", "OUT-03"),
    ],
)
def test_a_folder_that_train_replaces_by_a_link(name: str, clause: str) -> None:
    link = Entry(name=name, kind="link", size=0, mode=0o777, target="/data")
    run = dataclasses.replace(GOOD, tree=(*(GOOD.tree or ()), link))
    checks = [training.model_appears, training.nothing_is_lost, training.paths_are_known]
    assert statuses(checks, run) == {clause: "fail"}


@pytest.mark.parametrize(
    ("target", "broken"),
    [("a", {}), ("../b", {}), ("../../b", {"OUT-05": "fail"}), ("/b", {"OUT-05": "fail"})],
)
def test_a_link_below_the_results(target: str, broken: dict[str, str]) -> None:
    link = Entry(name="output/data/plots/last", kind="link", size=0, mode=0o777, target=target)
    run = dataclasses.replace(GOOD, tree=(*(GOOD.tree or ()), link))
    assert statuses([training.nothing_is_lost], run) == broken


def test_a_failed_run_whose_output_is_a_link_left_no_reason() -> None:
    link = Entry(name="output", kind="link", size=0, mode=0o777, target="/tmp")
    run = dataclasses.replace(GOOD, exit_code=1, tree=(link,))
    found = checks.run(training.failure_leaves_its_reason, run).result
    assert found.status is Status.FAIL
    assert "wrote no reason; /opt/ml/output is a link to /tmp" in found.message


# A server that was waited for only briefly

SILENT = Health(after=None, last=None, waited=10.0)


def test_a_server_without_samples_that_never_answers_is_not_judged() -> None:
    seen = server(FakeClient(), health=SILENT, modelless=True, brief=True)
    found = statuses(checks_of(serving), seen)
    assert found["SERVE-01"] == found["SERVE-03"] == "skip"
    assert "fail" not in found.values()


@pytest.mark.parametrize(
    ("sign", "waited", "brief"),
    [(Sign.NO_ANSWER, [10, 240], False), (Sign.NOT_WHOLE, [10], True)],
)
def test_one_that_takes_requests_has_as_long_as_any_other(
    sign: Sign, waited: list[float], brief: bool
) -> None:
    """It loads something in its first /ping: gunicorn may kill it for that."""
    waits: list[float] = []

    def wait(seconds: float) -> Health:
        waits.append(seconds)
        return Health(after=None, last=None, error=Broken("", sign), waited=seconds)

    found, briefly = starting.without_model(wait, 240)
    assert (found.waited, briefly, waits) == (waited[-1], brief, waited)


def test_one_that_was_waited_for_is_blamed() -> None:
    found = statuses(checks_of(serving), server(FakeClient(), health=SILENT, modelless=True))
    assert found["SERVE-01"] == found["SERVE-03"] == "fail"


def test_one_that_ended_is_not_said_to_have_been_waited_for() -> None:
    ended = server(FakeClient(), health=Health(after=None, last=None), exit_code=1)
    result = checks.run(serving.healthy_in_time, ended)
    assert result.message.startswith("`serve` ended by itself with 1")
    assert "in 0 s" not in result.message


# What is kept


def packed(*members: tuple[str, bytes | None]) -> list[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
        link = tarfile.TarInfo("model/out")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    return [buffer.getvalue()]


def test_a_model_is_kept_as_sagemaker_packs_it(tmp_path: Path) -> None:
    chunks = packed(("model/", None), ("model/deep/a", b"1"), ("model/../../b", b"2"))
    archive.repack(chunks, tmp_path / "model.tar.gz", 1000)
    with tarfile.open(tmp_path / "model.tar.gz") as found:
        assert found.getnames() == ["deep/a"]


@pytest.mark.parametrize("chunks", [packed(("model/a", bytes(2000))), [b"no archive" * 100]])
def test_a_model_that_is_too_large_or_broken_is_not_kept(
    tmp_path: Path, chunks: list[bytes]
) -> None:
    archive.repack(chunks, tmp_path / "model.tar.gz", 1000)
    assert list(tmp_path.iterdir()) == []


def kept_of(run: training_runs.Run | None, folder: Path, **samples: Any) -> list[str]:
    subject = Subject(
        image="x", architecture=None, purpose=Purpose.TRAINING, samples=Samples(**samples)
    )
    with ExitStack() as stack:
        bench = Bench(subject=subject, engine=None, kept=stack)  # type: ignore[arg-type]
        if run is not None:
            made: Future[Any] = Future()
            bench._made[training_runs.on_samples] = made
            made.set_result((run, None))
        kept.write(bench, folder)
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def test_log_and_metrics_are_kept_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "LOG_BYTES", 20)
    monkeypatch.setattr(kept, "VALUES", 2)
    lines = tuple(Line(at=float(number), text=f"loss=0.{number}") for number in range(5))
    run = dataclasses.replace(GOOD, lines=lines)
    found = kept_of(run, tmp_path / "test", metrics=(("loss", "loss=(.*)"), ("bad", "(")))
    assert found == ["metrics.csv", "train.log"]
    assert (tmp_path / "test/metrics.csv").read_text() == "metric,value\nloss,0.3\nloss,0.4\n"
    assert (tmp_path / "test/train.log").read_bytes() == b"loss=0.3\nloss=0.4\n"
    kept.clear(tmp_path / "test")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_of_a_run_that_was_not_made(tmp_path: Path) -> None:
    assert kept_of(None, tmp_path / "test") == []
    never = dataclasses.replace(GOOD, refusal=Refusal("no such program"), exit_code=None)
    assert kept_of(never, tmp_path / "test") == []
