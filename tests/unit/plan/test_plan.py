"""Targets -> decisions, by what registries, records and the ledger say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit import project, records
from buildkit.config.network import Network
from buildkit.model.image import Origin, Verified
from buildkit.plan.bases import Bases
from buildkit.plan.decide import Rules
from buildkit.plan.known import State
from buildkit.plan.plan import Plan, Planner
from buildkit.registry.client import Registry
from buildkit.render import render
from buildkit.support.errors import ToolError
from buildkit.verify import fingerprint
from tests.support import fakes, projects
from tests.support.direct import Net
from tests.support.distribution import Distribution
from tests.support.registry_server import digest
from tests.support.releases import image, release

if TYPE_CHECKING:
    from pathlib import Path

    from buildkit.model.image import Built
    from buildkit.project import Project

ONE, TWO = "one.example", "two.example"
BASE = digest(b"base")
TEXT = f'{projects.MINIMAL}template = "own"\ncontext = "files"\n'


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    for name, text in {
        "images.toml": TEXT,
        "files/train": "1",
        "templates/own.Dockerfile.j2": "FROM {{ target.base }} AS image\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return project.read(tmp_path / "images.toml", None, use_environment=False)


def planned(found: Project, net: Net | None = None, **changes: Any) -> Plan:
    """By default, the registries of `net` are all that there are."""
    hosts = net.registries if net else ()
    registries = [Registry(wire=net.wire(host=host, login=None)) for host in hosts if net]  # type: ignore[arg-type]
    facts: dict[str, Any] = {"rules": Rules(), "registries": registries, **changes}
    planner = Planner(project=found, network=Network(), **facts)
    rendered = render.render_all(found.targets, found.templates)
    return planner.plan(rendered, Bases(served={found.targets[0].base: BASE}))


def net_with(plan: Plan, *hosts: str) -> Net:
    """Registries that serve the image of a plan."""
    net = Net(registries={host: Distribution(host=host) for host in hosts})
    (decision,) = plan.decisions
    target, labels = decision.target, {"buildkit.identity": decision.identity.digest}
    for each in net.registries.values():
        each.image(
            target.repository, target.tag, layers=[b"x"], config={"config": {"Labels": labels}}
        )
    return net


def built(found: Project, plan: Plan, **changes: Any) -> Built:
    """The record of a build of this plan."""
    (decision,) = plan.decisions
    origin = Origin(base=decision.target.base, base_digest=BASE, identity=decision.identity.digest)
    made = replace(fakes.built(decision.target), origin=replace(origin, **changes))
    found.records.write(records.BUILT, decision.target.id, made)
    return made


def test_an_image_in_all_registries_is_published(found: Project) -> None:
    net = net_with(planned(found), ONE, TWO)
    planned(found, net)  # this machine has seen the image before
    asked: list[int] = []
    net.door = lambda: asked.append(1)
    (decision,) = planned(found, net).decisions
    assert decision.state is State.PUBLISHED
    assert decision.found is not None
    assert [each.uri.partition("/")[0] for each in decision.found.locations] == [ONE, TWO]
    assert len(asked) == len(net.registries)


def test_a_registry_that_was_silent_from_the_start_has_nothing(found: Project) -> None:
    net = net_with(planned(found), ONE)
    (decision,) = planned(found, net, absent={TWO: ToolError("down")}).decisions
    assert decision.state is State.TODO
    built(found, planned(found))
    (decision,) = planned(found, net, absent={TWO: ToolError("down")}).decisions
    assert decision.state is State.BUILT
    assert decision.reasons == ("not tested yet", f"{TWO} does not answer", "not in the ledger")


def test_who_forces_a_run_asks_no_registry(found: Project) -> None:
    net = net_with(planned(found), ONE)
    net.down.add(ONE)
    (decision,) = planned(found, net, rules=Rules(force="`--force`")).decisions
    assert (decision.state, decision.reasons) == (State.TODO, ("`--force`",))


def test_the_ledger_says_only_whether_an_image_is_noted(found: Project) -> None:
    net = net_with(planned(found), ONE)
    (target,) = found.targets
    noted = net.registries[ONE].digest(target.image)
    assert noted is not None
    for digest_of, reasons in ((noted, ()), (digest(b"x"), ("not in the ledger",))):
        told = replace(
            image(host=ONE, repository=target.repository, tag=target.tag), digest=digest_of
        )
        (decision,) = planned(found, net, releases=(release(told),)).decisions
        assert (decision.state, decision.reasons) == (State.PUBLISHED, reasons)


def test_a_record_counts_only_if_it_can_be_read_and_fits(found: Project) -> None:
    plan = planned(found)
    made = built(found, plan)
    assert planned(found).decisions[0].state is State.BUILT
    suite = fingerprint.of_target(made.target)
    report = replace(fakes.report(fakes.clause(), digest=made.image_id), suite=suite)
    found.records.write(records.VERIFIED, made.target.id, Verified(built=made, report=report))
    assert planned(found).decisions[0].state is State.TESTED
    other = replace(report, suite="another")
    found.records.write(records.VERIFIED, made.target.id, Verified(built=made, report=other))
    (decision,) = planned(found).decisions
    assert decision.state is State.BUILT
    assert decision.reasons == ("its test changed: the clauses, the samples or the features",)
    found.records.of(made.target.id, "built.json").write_text("{")
    assert planned(found).decisions[0].state is State.TODO
    built(found, plan, identity=digest(b"of another project"))
    assert planned(found).decisions[0].state is State.TODO


def test_only_the_label_in_the_engine_is_believed(found: Project) -> None:
    built(found, planned(found))
    plan = planned(found)
    (decision,) = plan.decisions
    reused = plan.split(lambda *_: decision.identity.digest).reused
    assert [target for target, _ in reused] == [decision.target]
    for label in (None, digest(b"another")):
        split = plan.split(lambda *_, label=label: label)
        assert (split.reused, [*split.todo], split.served) == ((), [decision.target.id], ())


def test_a_published_image_that_the_engine_lost_is_not_built_for_the_ledger(found: Project) -> None:
    net = net_with(planned(found), ONE)
    made = built(found, planned(found))
    suite = fingerprint.of_target(made.target)
    report = replace(fakes.report(fakes.clause(), digest=made.image_id), suite=suite)
    found.records.write(records.VERIFIED, made.target.id, Verified(built=made, report=report))
    plan = planned(found, net)
    assert plan.decisions[0].state is State.TESTED
    split = plan.split(lambda *_: None)
    assert (split.reused, dict(split.todo), split.served) == ((), {}, plan.decisions)


def test_an_image_is_noted_with_what_it_was_made_from(found: Project) -> None:
    plan = planned(found)
    (decision,) = plan.decisions
    made = replace(fakes.built(decision.target), origin=Origin(base="b", base_digest=BASE))
    noted = plan.noted(made, decision.identity.digest).origin
    assert noted is not None
    assert (noted.identity, noted.inputs) == (decision.identity.digest, decision.identity.inputs)
    assert {"files", "images.toml", "own"} <= {name.rpartition("/")[2].partition(".D")[0] for name, _ in noted.parts}  # fmt: skip


def test_files_or_a_base_that_change_during_the_build_are_an_error(
    found: Project, tmp_path: Path
) -> None:
    plan = planned(found)
    (decision,) = plan.decisions
    made = replace(fakes.built(decision.target), origin=Origin(base="b", base_digest=BASE))
    moved = replace(made, origin=Origin(base="b", base_digest=digest(b"x")))
    with pytest.raises(ToolError, match="changed while the image was built"):
        plan.noted(moved, decision.identity.digest)
    (tmp_path / "files" / "train").write_text("2")
    with pytest.raises(ToolError, match="the files that the image is made from changed"):
        plan.noted(made, decision.identity.digest)
    assert plan.noted(made, None).origin is not None


@pytest.mark.parametrize(
    ("ignored", "state"),
    [("", State.TODO), ("dist\n", State.TODO), ("dist\nreleases.jsonl\n", State.BUILT)],
)
def test_a_context_with_what_each_run_writes_is_never_the_same(
    found: Project, tmp_path: Path, ignored: str, state: State
) -> None:
    (tmp_path / "images.toml").write_text(TEXT.replace("files", "."))
    (tmp_path / ".dockerignore").write_text(f"cache\n{ignored}")
    here = project.read(tmp_path / "images.toml", None, use_environment=False)
    built(here, planned(here))
    (decision,) = planned(here).decisions
    assert decision.state is state
    assert ("its context has files that each run writes" in str(decision.reasons)) is (
        state is State.TODO
    )
