"""Clauses of a job on two hosts: they find each other, and write no conflicting files.

The hosts are two containers on one network, each with its own volume.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.contract import machine
from buildkit.contract.checks import Broken, NotPromised, Unseen, check
from buildkit.contract.engine import Start
from buildkit.contract.jobs import endings, training_job, training_runs
from buildkit.contract.jobs.endings import Ending
from buildkit.contract.scenario import observation
from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildkit.contract.engine import Container
    from buildkit.contract.jobs.endings import Then
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.scenario import Bench

    Networks = tuple[tuple[str, tuple[str, ...]], ...]

HOSTS = ("algo-1", "algo-2")
OTHER_HOSTS = ("node-b7-x2c9", "worker.k4")
LATE_SECONDS = 20
LOOK_SECONDS = 0.2
"""Between two looks at whether a host has ended."""
GRACE_SECONDS = 15
"""How long a host may run after the other has failed: SageMaker ends it."""
CHECKPOINTS = "checkpoints"
SHOW_ROUTES = ("/bin/sh", "-c", "cat /proc/net/route")
PROBE_SECONDS = 300
"""Only ends a hang of the program that lists routes."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The run of each host."""

    hosts: Mapping[str, Run]

    @property
    def good(self) -> bool:
        return all(run.good for run in self.hosts.values())

    def need_success(self, when: str) -> None:
        """Raises Broken with each host that failed, first those that ended by themselves."""
        bad = [(name, run) for name, run in self.hosts.items() if not run.good]
        bad.sort(key=lambda each: each[1].exit_code is None)
        if bad:
            fared = "; ".join(f"{name}: `train` {run.evidence.rstrip()}" for name, run in bad)
            raise Broken(f"{when} {fared}")


def _together(
    bench: Bench,
    hosts: tuple[str, ...],
    *,
    late: str = "",
    start: Callable[[str], Start] | None = None,
    interface: str = "eth0",
) -> Pair:
    """The job on several hosts on one network, each with its own volume."""
    work = replace(training_job.of(bench.subject.samples), hosts=hosts, interface=interface)
    if Feature.CHECKPOINTS in bench.subject.features:
        work = replace(work, folders=(*work.folders, CHECKPOINTS))
    failed = threading.Event()

    def one(name: str, container: Container) -> Run:
        if name == late:
            failed.wait(LATE_SECONDS)
        run = training_runs.finish(bench, container, then=_unless(failed))
        if not run.good:
            failed.set()
        return run

    with ExitStack() as stack:
        if start is None:
            network = stack.enter_context(bench.engine.network())
            start = _on(network)
        containers = [
            stack.enter_context(
                training_runs.laid_out(bench, replace(work, host=name), start=start(name))
            )
            for name in hosts
        ]
        with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
            return Pair(hosts=dict(zip(hosts, pool.map(one, hosts, containers), strict=True)))


def _on(network: str) -> Callable[[str], Start]:
    return lambda name: replace(training_runs.TRAIN, networks=((network, (name,)),))


def _unless(failed: threading.Event) -> Then:
    """Wait for the end of a container; only briefly once another host has failed."""

    def then(bench: Bench, container: Container) -> Ending:
        limit = machine.of(bench).limit(container, endings.TRAIN_SECONDS)
        while not limit.expired():
            if (code := container.wait(0)) is not None:
                return Ending(exit_code=code)
            if failed.is_set():
                return Ending(exit_code=machine.of(bench).wait(container, GRACE_SECONDS))
            time.sleep(LOOK_SECONDS)
        return Ending(exit_code=None)

    return then


def _plain(bench: Bench) -> Pair:
    if Feature.TWO_NODE not in bench.subject.features:
        raise NotPromised(Feature.TWO_NODE)
    training_runs.needs_good(bench)
    return _together(bench, HOSTS)


def _needs_pair(bench: Bench) -> None:
    """Raises Unseen if two plain hosts fail: then a variant of them proves nothing."""
    if not bench.once(_plain).good:
        raise Unseen("training on two hosts failed, so there is nothing to compare with")


PAIR = observation("`train` on two hosts", Purpose.TRAINING)(_plain)


@observation("`train` on two hosts, the first of them 20 s late", Purpose.TRAINING)
def late_first(bench: Bench) -> Pair:
    _needs_pair(bench)
    return _together(bench, HOSTS, late=HOSTS[0])


@observation("`train` on two hosts, the second of them 20 s late", Purpose.TRAINING)
def late_second(bench: Bench) -> Pair:
    _needs_pair(bench)
    return _together(bench, HOSTS, late=HOSTS[1])


@observation("`train` on two hosts with names of another form", Purpose.TRAINING)
def renamed(bench: Bench) -> Pair:
    """Hosts whose kernel names differ from those in the job, as on SageMaker (DIST-09)."""
    _needs_pair(bench)
    with bench.engine.network() as network:
        return _together(bench, OTHER_HOSTS, start=_called_otherwise(network))


def _called_otherwise(*networks: str) -> Callable[[str], Start]:
    """The name resolves on the first network only; the kernel has another one."""
    first, *others = networks
    return lambda name: replace(
        training_runs.TRAIN,
        networks=((first, (name,)), *((each, ()) for each in others)),
        hostname=f"host-of-{name}",
    )


@observation(
    "`train` on two hosts with two networks each, the names resolving on one", Purpose.TRAINING
)
def two_networks(bench: Bench) -> Pair:
    """The names resolve on one of two networks, which is not that of eth0."""
    _needs_pair(bench)
    with bench.engine.network() as one, bench.engine.network() as other:
        for named, unnamed in ((one, other), (other, one)):
            interface = _interface(bench, named, unnamed)
            if interface != "eth0":
                # The engine makes the host's own name known on every network.
                start = _called_otherwise(named, unnamed)
                return _together(bench, HOSTS, start=start, interface=interface)
    raise Unseen("this engine names each interface eth0")


def _interface(bench: Bench, named: str, unnamed: str) -> str:
    """The interface of the first network in a container on both. Raises Unseen."""
    alone = routes(_shown(bench, ((named, ()),)))
    both = routes(_shown(bench, ((named, ()), (unnamed, ()))))
    subnet = next(iter(alone.values()), "")
    for interface, network in both.items():
        if network == subnet:
            return interface
    raise Unseen("the engine does not show which interface belongs to which network")


def _shown(bench: Bench, networks: Networks) -> str:
    program, *words = SHOW_ROUTES
    start = Start(entrypoint=(program,), command=tuple(words), networks=networks)
    with bench.engine.container(bench.subject.image, start) as container:
        if container.start() is None:
            container.wait(PROBE_SECONDS)
        return container.logs()


def routes(table: str) -> Mapping[str, str]:
    """The networks by interface in /proc/net/route, without default routes."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[0]: row[1] for row in rows if len(row) > 2 and row[1] != "00000000"}  # noqa: PLR2004


@check("DIST-01", PAIR)
def train_together(pair: Pair) -> None:
    """Both containers end with 0."""
    pair.need_success("on two hosts")


@check("DIST-02", late_first, gap="a late first host was not judged")
def wait_for_the_first(pair: Pair) -> None:
    """The name of the first host does not resolve for 20 s; both containers end with 0."""
    pair.need_success(f"with {HOSTS[0]} {LATE_SECONDS} s late")


@check("DIST-02", late_second, gap="a late second host was not judged")
def wait_for_the_second(pair: Pair) -> None:
    """The name of the second host does not resolve for 20 s; both containers end with 0."""
    pair.need_success(f"with {HOSTS[1]} {LATE_SECONDS} s late")


@check("DIST-03", two_networks)
def talk_over_the_named_interface(pair: Pair) -> None:
    """resourceconfig.json names an interface that is not eth0; both containers end with 0."""
    pair.need_success("with the peers on an interface that is not eth0")


@check("CFG-05", renamed)
def names_come_from_the_file(pair: Pair) -> None:
    """The hosts have other names than algo-1, algo-2 and their host names; both end with 0."""
    pair.need_success(f"with hosts named {' and '.join(OTHER_HOSTS)}")


@check("OUT-03", PAIR)
def models_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/model of both hosts has different content."""
    _no_clash(pair, "model")


@check("OUT-04", PAIR)
def outputs_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/output/data of both hosts has different content."""
    _no_clash(pair, "output/data")


@check("SPOT-04", PAIR)
def checkpoints_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/checkpoints of both hosts has different content."""
    if pair.good and not any(run.below(CHECKPOINTS) for run in pair.hosts.values()):
        raise Unseen("no host writes checkpoints")
    _no_clash(pair, CHECKPOINTS)


def _no_clash(pair: Pair, folder: str) -> None:
    if not pair.good:
        raise Unseen("training on two hosts failed")
    seen: dict[str, tuple[str, str, str]] = {}
    for run in pair.hosts.values():
        for each in run.below(folder):
            content = (each.kind, each.digest, each.target)
            if seen.setdefault(each.name, content) != content:
                raise Broken(f"both hosts wrote /opt/ml/{each.name}, with different content")
