"""Clauses of pipelines and multi-container endpoints (PIPE): ports, and types of answers."""

from __future__ import annotations

import ipaddress
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from buildkit.contract import listening
from buildkit.contract.checks import Broken, Doubtful, Unseen, check, hindered
from buildkit.contract.engine import Start
from buildkit.contract.hosting import starting
from buildkit.contract.hosting.client import OK, HttpClient
from buildkit.contract.hosting.content import judge_type
from buildkit.contract.hosting.server import named
from buildkit.contract.image import basics
from buildkit.contract.scenario import scenario
from buildkit.contract.signs import Sign
from buildkit.model.features import Feature
from buildkit.model.target import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.contract.hosting.server import Serving
    from buildkit.contract.image.basics import StillImage
    from buildkit.contract.listening import Address
    from buildkit.contract.scenario import Bench

PORTS = (9001, 9101)
RANGES = ((9010, 9099), (9110, 9199))
GIGABYTE = 1024**3
PINGS = 10
EPHEMERAL = range(32768, 61000)
"""Linux's ip_local_port_range (kernel documentation, networking/ip-sysctl)."""
QUICK_SECONDS = 2
SPARE_SECONDS = 60
"""Seconds on top of ten times the usual start."""
BURNING_SECONDS = 1
"""A shell that is missing, or cannot loop, ends within this time."""


def _start(number: int, *others: int) -> Start:
    """How the container with this number in a pipeline is started."""
    low, high = RANGES[number]
    return replace(
        starting.SERVE,
        ports=(PORTS[number], *others),
        environment={
            "SAGEMAKER_BIND_TO_PORT": str(PORTS[number]),
            "SAGEMAKER_SAFE_PORT_RANGE": f"{low}-{high}",
        },
    )


def _patience(bench: Bench) -> float:
    """Seconds to wait for a server that may never listen on its port."""
    return SPARE_SECONDS + 10 * starting.healthy(bench)


@scenario("`serve` with SAGEMAKER_BIND_TO_PORT, two ports", Purpose.INFERENCE)
def apart(bench: Bench) -> Iterator[tuple[Serving, ...]]:
    """A server on each of the two ports; only on the first one if it is not healthy there."""
    seconds = _patience(bench)
    with ExitStack() as stack:
        found: tuple[Serving, ...] = ()
        for number in range(2):
            start = _start(number, starting.PORT)
            found += (stack.enter_context(starting.served(bench, start=start, seconds=seconds)),)
            if found[-1].health.after is None:
                break
        yield found


@scenario("`serve` twice in one network", Purpose.INFERENCE)
def together(bench: Bench) -> Iterator[tuple[Serving, ...]]:
    """Two copies in the network of the first one, which is reached at the ports of both."""
    seconds = _patience(bench)
    with starting.served(bench, start=_start(0, PORTS[1]), seconds=seconds) as first:
        if first.health.after is None:
            raise hindered(f"alone on port {PORTS[0]} the server is not healthy", Sign.UNHEALTHY)
        start = replace(_start(1), beside=first.container.id)
        beside = starting.served(bench, start=start, door=first.container, seconds=seconds)
        with beside as second:
            yield first, second


@scenario(
    "`serve` on one CPU with 2 GB, beside a container that computes", Purpose.INFERENCE, alone=True
)
def crowded(bench: Bench) -> Iterator[Serving]:
    """A server with one CPU and 2 GB, beside a container that computes endlessly."""
    starting.healthy(bench)
    burner = Start(entrypoint=("/bin/sh", "-c", "while :; do :; done"), cpus=1)
    with bench.engine.container(bench.subject.image, burner) as other:
        if other.start() is not None or other.wait(BURNING_SECONDS) is not None:
            raise Unseen("the image has no /bin/sh to keep a CPU busy")
        start = replace(starting.SERVE, cpus=1, memory=2 * GIGABYTE)
        with starting.served(bench, start=start) as serving:
            yield serving


@check("PIPE-01", basics.still)
def has_label(image: StillImage) -> None:
    """The image's label for SAGEMAKER_BIND_TO_PORT is `true`."""
    image.need_label(Feature.BIND_TO_PORT)


@check("PIPE-02", apart, decides=True)
def listens_on_its_port(both: tuple[Serving, ...]) -> None:
    """GET /ping answers 200 on the port of SAGEMAKER_BIND_TO_PORT, and so does the first sample."""
    for port, serving in zip(PORTS, both):  # noqa: B905 - perhaps only the first one
        if serving.health.after is None:
            raise Broken(f"with SAGEMAKER_BIND_TO_PORT={port} {serving.evidence}", Sign.UNHEALTHY)
        for payload in serving.payloads[:1]:
            answer = serving.invoke(payload)
            if answer.status != OK:
                raise Broken(f"on port {port} POST /invocations answered {answer.shown()}")


@check("PIPE-02", apart)
def leaves_8080_alone(both: tuple[Serving, ...]) -> None:
    """With another port in SAGEMAKER_BIND_TO_PORT nothing listens on 8080."""
    serving = both[0]
    if not serving.runs:
        raise hindered("the server does not run", Sign.UNHEALTHY)
    host, port = serving.container.address(starting.PORT)
    found = listening.addresses(serving.container)
    if found is None:
        serving.need_health()
    if any(at == starting.PORT for _, at in found or ()) or _answers(
        HttpClient(host=host, port=port)
    ):
        raise Broken(
            f"with SAGEMAKER_BIND_TO_PORT={PORTS[0]} the server still listens on {starting.PORT}",
            Sign.STILL_8080,
        )


@check("PIPE-03", together, decides=True)
def shares_a_network(both: tuple[Serving, ...]) -> None:
    """Two copies in one network, each with its own ports, are both healthy."""
    first, second = both
    if second.health.after is None:
        evidence = f"beside a container of the same image {second.evidence}"
        raise Broken(evidence, *second.signs)
    for serving in (first, second):
        serving.need_ping("two copies in one network: ")


@check("PIPE-03", together)
def keeps_to_its_ports(both: tuple[Serving, ...]) -> None:
    """The two listen only on their own ports and on those of their ranges, by /proc/net/tcp."""
    found = listening.addresses(both[0].container)
    if found is None:
        raise Unseen("the image has no `cat` to list the ports with")
    if strange := strangers(found):
        ports = sorted({port for _, port in strange})
        evidence = (
            f"the servers listen on {', '.join(map(str, ports))}; SAGEMAKER_BIND_TO_PORT is "
            f"{' and '.join(map(str, PORTS))}, SAGEMAKER_SAFE_PORT_RANGE "
            f"{' and '.join(f'{low}-{high}' for low, high in RANGES)}"
        )
        if all(map(is_ephemeral, strange)):
            raise Doubtful(f"{evidence}; the kernel chose these ports, so they do not collide")
        raise Broken(evidence, *([Sign.STILL_8080] if ports == [starting.PORT] else []))


@check("PIPE-04", apart)
def types_are_true(both: tuple[Serving, ...]) -> None:
    """Each sample is answered with a Content-Type that fits the body: JSON, CSV, lines, HTML."""
    serving = both[0]
    serving.a_payload()
    judged = False
    for payload in serving.payloads:
        answer = serving.invoke(payload)
        if answer.status != OK:
            continue
        judged |= judge_type(named(payload), answer)
    if not judged:
        raise Unseen("no answer has a Content-Type that can be verified")


@check("PIPE-06", crowded)
def pings_in_a_crowd(serving: Serving) -> None:
    """On one CPU with 2 GB, beside a busy container: healthy, and each GET /ping in 2 s."""
    if serving.health.after is None:
        raise Broken(f"on one CPU with 2 GB {serving.evidence}", *serving.signs)
    for _ in range(PINGS):
        serving.need_ping("on one busy CPU ")


def strangers(found: frozenset[Address]) -> list[Address]:
    """The addresses of two containers of a pipeline with ports that were not assigned to them."""
    given = {port for low, high in RANGES for port in range(low, high + 1)} | set(PORTS)
    return sorted(each for each in found if each[1] not in given)


def is_ephemeral(address: Address) -> bool:
    """Whether an address is on loopback, with a port that Linux assigns by default."""
    host, port = address
    return ipaddress.ip_address(host).is_loopback and port in EPHEMERAL


def _answers(client: HttpClient) -> bool:
    try:
        client.ask("GET", "/ping", seconds=QUICK_SECONDS)
    except Broken:
        return False
    return True
