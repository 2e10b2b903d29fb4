"""Runs of `train`: lay out a job, start the container, and collect what the run left."""

from __future__ import annotations

import re
import tarfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from buildkit.contract import archive, machine
from buildkit.contract.checks import REASON_IS, Unsampled, Unseen, hindered
from buildkit.contract.engine import End, Line, Mount, Refusal, Start, never_ran
from buildkit.contract.jobs import endings, training_job
from buildkit.contract.logs import last_words
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildkit.contract.engine import Container, Entry
    from buildkit.contract.jobs.endings import Signalled, Then
    from buildkit.contract.scenario import Bench

TRAIN = Start(command=("train",))
FAILURE = "output/failure"
"""Where a failed run leaves its reason, below `/opt/ml`."""
STARVED = "no samples are declared, and without them `train` does not end"
DENIED = re.compile(
    r"permission denied[^\n]*/opt/ml|/opt/ml\S*?['\"]?: permission denied", re.IGNORECASE
)
"""What a program says that has no access to /opt/ml."""
REASON_SHOWN = 300
"""Characters of the reason that evidence shows."""


class Work(Protocol):
    """A job of any kind: its files below `/opt/ml`, its variables and its host."""

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def host(self) -> str: ...

    def archive(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an image to its end.

    `refusal`: why the engine could not start it. `exit_code` is None if the run did not end by
    itself in time, `ended_at` is on the clock of its `lines`. `ended_by` says why the harness or
    the kernel ended it. `tree` is everything below `/opt/ml` afterwards, with relative names; None
    if it was too large to be read. `changes` are set only for runs that ask for them. `bare`: no
    samples are declared, so that a failure may be right. `brief`: for the same reason it got less
    time than others. `killed` is the evidence if the run did not end on a signal; `signalled`
    describes that signal. `idle` says why there was nothing to do.
    """

    refusal: Refusal | None
    exit_code: int | None
    seconds: float
    log: str
    lines: tuple[Line, ...] = ()
    tree: tuple[Entry, ...] | None = ()
    changes: tuple[str, ...] = ()
    ended_by: str = ""
    ended_at: float | None = None
    bare: bool = False
    brief: bool = False
    killed: str = ""
    processor_seconds: float = 0.0
    signalled: Signalled | None = None
    idle: str = ""

    @property
    def good(self) -> bool:
        return self.refusal is None and self.exit_code == 0

    @property
    def ran(self) -> bool:
        """Whether the program was started at all."""
        return self.refusal is None and not never_ran(self.exit_code, self.log)

    @property
    def starved(self) -> bool:
        """Whether it did not end in the short time that it got: it may wait for its data."""
        return self.brief and self.exit_code is None and not self.ended_by

    @property
    def said(self) -> list[str]:
        """The lines of its log."""
        return [line.text for line in self.lines]

    @property
    def evidence(self) -> str:
        """How the run ended and its last lines, for evidence."""
        return f"{self.outcome}{self.last_words}"

    @property
    def outcome(self) -> str:
        """How the run ended, and the reason that it left."""
        if self.refusal is not None:
            return f"could not be started: {self.refusal}"
        if self.exit_code is None:
            end = f"did not end in {self.seconds:.0f} s"
            end += self.ended_by and f" ({self.ended_by})"
        else:
            end = f"ended {End(self.exit_code, self.ended_by)}"
        return f"{end}; {REASON_IS} {self.reason!r}" if self.reason else end

    @property
    def signs(self) -> tuple[Sign, ...]:
        """What its outcome shows."""
        if self.refusal is not None:
            return self.refusal.signs
        end = () if self.exit_code is None else End(self.exit_code, self.ended_by).signs
        denied = any(map(DENIED.search, self.said))
        seen = {Sign.GAVE_REASON: self.reason, Sign.NOT_ROOT: not self.good and denied}
        return (*end, *(sign for sign, shows in seen.items() if shows))

    @property
    def last_words(self) -> str:
        """The end of its log, after a line that names a cause if there is one."""
        return "" if self.refusal is not None else last_words(self.lines, self.log)

    @property
    def reason(self) -> str:
        """The beginning of the reason that a failed run left, empty if it left none."""
        left = None if self.good else self.file(FAILURE)
        return " ".join((left or b"").decode("utf-8", "replace").split())[:REASON_SHOWN]

    def below(self, folder: str) -> tuple[Entry, ...]:
        """Everything below a folder of `/opt/ml` except folders. Raises Unseen."""
        if self.tree is None:
            raise Unseen("the files in /opt/ml after the run are too large to be read")
        return tuple(
            each
            for each in self.tree
            if each.name.startswith(f"{folder}/") and each.kind != "folder"
        )

    @property
    def has_model(self) -> bool:
        """Whether it left a file in `/opt/ml/model`. Raises Unseen."""
        return any(each.kind == "file" for each in self.below("model"))

    def has_folder(self, name: str) -> bool:
        """Whether a folder of `/opt/ml` is still a folder: a program may replace it."""
        return any(each.name == name and each.kind == "folder" for each in self.tree or ())

    def at(self, name: str) -> Entry | None:
        """The entry at a path below `/opt/ml`, unless it is a folder; None if there is none."""
        found = (each for each in self.tree or () if each.name == name)
        return next((each for each in found if each.kind != "folder"), None)

    def file(self, name: str) -> bytes | None:
        """The content of a small file below `/opt/ml`, None if it does not exist."""
        return next((each.content for each in self.tree or () if each.name == name), None)


def train(
    bench: Bench,
    work: Work,
    *,
    start: Start = TRAIN,
    then: Then | None = None,
    volume: str | None = None,
    changes: bool = False,
) -> Run:
    """One run, on a volume of its own or on one with the files of earlier runs.

    `then` ends the run, instead of waiting. `changes`: also collect the changes in its own file
    system, which takes a while.
    """
    with laid_out(bench, work, start=start, volume=volume) as container:
        run = finish(bench, container, then=then)
        return replace(run, changes=container.changes()) if changes and run.ran else run


@contextmanager
def laid_out(
    bench: Bench, work: Work, *, start: Start = TRAIN, volume: str | None = None
) -> Iterator[Container]:
    """A container whose `/opt/ml` is laid out, not yet started."""
    with ExitStack() as stack:
        volume = volume or stack.enter_context(bench.engine.volume())
        start = starting(work, start, volume, dict(bench.subject.samples.environment))
        container = stack.enter_context(bench.engine.container(bench.subject.image, start))
        container.put(training_job.ROOT, work.archive())
        yield container


def starting(work: Work, start: Start, volume: str, more: Mapping[str, str]) -> Start:
    """How a job with a volume as `/opt/ml` is started; it may replace variables of `more`."""
    return replace(
        start,
        mounts=(Mount(volume=volume, path=training_job.ROOT), *start.mounts),
        environment={**more, **work.environment, **start.environment},
        hostname=None if start.beside else start.hostname or work.host,
    )


def finish(bench: Bench, container: Container, *, then: Then | None = None) -> Run:
    """Start a container that is laid out, and wait for its end."""
    refusal = machine.refused(bench, container)
    if refusal is not None:
        return Run(refusal=refusal, exit_code=None, seconds=0, log="")
    began = time.monotonic()  # the engine may take its time to start a container
    brief = then is None and _is_brief(bench)
    wait = endings.unfed if brief else endings.to_its_end
    ending = (then or wait)(bench, container)
    took = time.monotonic() - began
    if ending.exit_code is None:
        container.send("SIGKILL")
        container.wait(endings.HANG_SECONDS)
    return Run(
        refusal=None,
        exit_code=ending.exit_code,
        seconds=took,
        log=container.logs(),
        lines=container.lines(),
        tree=_tree(container),
        brief=brief,
        ended_by=container.ended_by(),
        ended_at=container.ended_at(),
        killed=ending.killed,
        processor_seconds=ending.processor_seconds,
        signalled=ending.signalled,
    )


def _is_brief(bench: Bench) -> bool:
    """Whether a run gets little time: nothing is declared, and no run has ended well yet."""
    samples, first = bench.subject.samples, bench.made(on_samples)
    return not (samples.declared or samples.channels or (first is not None and first[0].good))


def _tree(container: Container) -> tuple[Entry, ...] | None:
    try:
        found = archive.members(container.get(training_job.ROOT))
    except tarfile.TarError:
        return None
    prefix = training_job.ROOT.rpartition("/")[2] + "/"
    return tuple(replace(each, name=each.name.removeprefix(prefix).rstrip("/")) for each in found)


def trained(bench: Bench) -> Run:
    """`train` on the samples, the run for comparison."""
    return bench.once(on_samples)[0]


def trained_model(bench: Bench) -> str:
    """The volume with the model of that run. Raises Unseen if it failed, or left no folder."""
    run, volume = bench.once(on_samples)
    if volume is None:
        signs = () if run.good else (Sign.SAMPLES_FAIL,)
        raise Unseen("training left no model to serve", "", *signs)
    return volume


def on_samples(bench: Bench) -> tuple[Run, str | None]:
    """The run, and a volume with a copy of its model."""
    with laid_out(bench, training_job.of(bench.subject.samples)) as container:
        samples = bench.subject.samples
        bare = samples.default or not samples.trainable
        run = replace(finish(bench, container), bare=bare)
        if not run.good or not run.has_folder("model"):
            return run, None
        model = container.get(f"{training_job.ROOT}/model")
        return run, None if model is None else filled(bench, f"{training_job.ROOT}/model", model)


def filled(bench: Bench, path: str, archive: Iterator[bytes]) -> str:
    """A new volume with an archive of `path` in it, which lives as long as the bench.

    A volume is filled through a container that is never started.
    """
    volume = bench.keep(bench.engine.volume())
    start = Start(command=("serve",), mounts=(Mount(volume=volume, path=path),))
    with bench.engine.container(bench.subject.image, start) as container:
        container.put(path.rpartition("/")[0], archive)
    return volume


def needs_good(bench: Bench) -> Run:
    """The run on the samples. Raises Unseen if it failed: then a variant of it proves nothing."""
    run = trained(bench)
    if not run.good:
        reason = "`train` on the samples failed, so there is nothing to compare with"
        raise hindered(reason, Sign.SAMPLES_FAIL)
    return run


def need_end(bench: Bench) -> None:
    """Raises Unsampled if `train` does not end without samples, and none are declared."""
    if trained(bench).starved:
        raise Unsampled(STARVED)
