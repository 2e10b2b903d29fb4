"""Clauses of a job on two hosts: they find each other, and write no conflicting files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Unseen, check
from buildkit.contract.jobs import two_hosts

if TYPE_CHECKING:
    from buildkit.contract.jobs.two_hosts import Pair


@check("DIST-01", two_hosts.PAIR)
def train_together(pair: Pair) -> None:
    """Both containers end with 0."""
    pair.need_success("on two hosts")


@check("DIST-02", two_hosts.LATE_FIRST, gap="a late first host was not judged")
def wait_for_the_first(pair: Pair) -> None:
    """The name of the first host does not resolve for 20 s; both containers end with 0."""
    pair.need_success(f"with {two_hosts.HOSTS[0]} {two_hosts.LATE_SECONDS} s late")


@check("DIST-02", two_hosts.LATE_SECOND, gap="a late second host was not judged")
def wait_for_the_second(pair: Pair) -> None:
    """The name of the second host does not resolve for 20 s; both containers end with 0."""
    pair.need_success(f"with {two_hosts.HOSTS[1]} {two_hosts.LATE_SECONDS} s late")


@check("DIST-03", two_hosts.TWO_NETWORKS)
def talk_over_the_named_interface(pair: Pair) -> None:
    """resourceconfig.json names an interface that is not eth0; both containers end with 0."""
    pair.need_success("with the peers on an interface that is not eth0")


@check("CFG-05", two_hosts.RENAMED)
def names_come_from_the_file(pair: Pair) -> None:
    """The hosts have other names than algo-1, algo-2 and their host names; both end with 0."""
    pair.need_success(f"with hosts named {' and '.join(two_hosts.OTHER_HOSTS)}")


@check("OUT-03", two_hosts.PAIR)
def models_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/model of both hosts has different content."""
    _no_clash(pair, "model")


@check("OUT-04", two_hosts.PAIR)
def outputs_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/output/data of both hosts has different content."""
    _no_clash(pair, "output/data")


@check("SPOT-04", two_hosts.PAIR)
def checkpoints_do_not_clash(pair: Pair) -> None:
    """No path in /opt/ml/checkpoints of both hosts has different content."""
    if pair.good and not any(run.below(two_hosts.CHECKPOINTS) for run in pair.hosts.values()):
        raise Unseen("no host writes checkpoints")
    _no_clash(pair, two_hosts.CHECKPOINTS)


def _no_clash(pair: Pair, folder: str) -> None:
    if not pair.good:
        raise Unseen("training on two hosts failed")
    seen: dict[str, tuple[str, str, str]] = {}
    for run in pair.hosts.values():
        for each in run.below(folder):
            content = (each.kind, each.digest, each.target)
            if seen.setdefault(each.name, content) != content:
                raise Broken(f"both hosts wrote /opt/ml/{each.name}, with different content")
