"""What has to be done for a target, from what is known of it. Every doubt ends in work, not in a skip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from buildkit.model.image import Origin
from buildkit.plan.decide import Rules, decide
from buildkit.plan.identity import Identity
from buildkit.plan.known import Known, State
from buildkit.plan.served import Served
from buildkit.support.errors import ToolError
from tests.support import fakes, projects
from tests.support.registry_server import digest

if TYPE_CHECKING:
    from buildkit.model.image import Built

TARGET = projects.target()
WANTED = Identity(digest=digest(b"identity"), inputs=digest(b"inputs"), base=digest(b"base"))
PARTS = (("algorithm", "a1"), ("images.toml", "i1"))
ORIGIN = Origin(
    base="python:3.11-slim",
    base_digest=WANTED.base,
    inputs=WANTED.inputs,
    identity=WANTED.digest,
    parts=PARTS,
)
IMAGE, OTHER = digest(b"image"), digest(b"other image")
HERE = Served(host="a.example", digest=IMAGE, identity=WANTED.digest)
FREE = Served(host="b.example")
SILENT = Served(host="b.example", error=ToolError("down"))
TAKEN = Served(host="b.example", digest=OTHER, identity=digest(b"another identity"))
UNLABELLED = Served(host="b.example", digest=OTHER)
NOTHING = Rules()


def built(**changes: Any) -> Built:
    return replace(fakes.built(TARGET), origin=replace(ORIGIN, **changes))


def known(*served: Served, **changes: Any) -> Known:
    facts: dict[str, Any] = {"target": TARGET, "identity": WANTED, "parts": PARTS}
    return Known(**facts, served=served, **changes)


@pytest.mark.parametrize(
    ("what", "state", "reasons"),
    [
        (known(), State.TODO, ("never built on this machine",)),
        (known(HERE), State.PUBLISHED, ()),
        (known(HERE, replace(HERE, host="b.example")), State.PUBLISHED, ()),
        (known(HERE, noted=False), State.PUBLISHED, ("not in the ledger",)),
        (known(HERE, noted=False, built=built()), State.TESTED, ("not in the ledger",)),
        (known(HERE, noted=False, built=built(), untested="not tested yet"), State.PUBLISHED, (
            "not in the ledger",
        )),
        (known(HERE, FREE), State.TODO, (
            "never published to b.example", "never built on this machine",
        )),
        (known(HERE, FREE, recorded=ORIGIN), State.TODO, (
            "never published to b.example", "not built on this machine",
        )),
        (known(HERE, FREE, built=built()), State.TESTED, ("never published to b.example",)),
        (known(HERE, SILENT, built=built()), State.TESTED, ("b.example does not answer",)),
        (known(HERE, TAKEN, built=built()), State.REFUSED, (
            "the tag has an image that was made from other inputs",
        )),
        (known(HERE, UNLABELLED, built=built()), State.TESTED, ()),
        (known(HERE, replace(HERE, host="b.example", digest=OTHER)), State.TODO, (
            "never built on this machine",
        )),
        (known(built=built()), State.TESTED, ()),
        (known(built=built(), untested="not tested yet"), State.BUILT, ("not tested yet",)),
        (known(built=built(identity=None)), State.TODO, (
            "the last image has no identity: it was built by an older version of buildkit",
        )),
        (known(built=built(identity=digest(b"x"), inputs=digest(b"y"), parts=(("algorithm", "a0"), *PARTS[1:]))),
         State.TODO, ("algorithm changed",)),
        (known(built=built(identity=digest(b"x"), inputs=digest(b"y"), parts=(("old", "a0"), PARTS[1]))),
         State.TODO, ("algorithm is new", "old is not used any more")),
        (known(built=built(identity=digest(b"x"), base_digest="sha256:0123456789abcdef")), State.TODO, (
            f"`python:3.11-slim` moved from sha256:0123456789ab to {digest(b'base')[:19]}",
        )),
        (known(built=built(identity=digest(b"x"))), State.TODO, (
            "the wheels, SOURCE_DATE_EPOCH or the version of buildkit changed",
        )),
    ],
)  # fmt: skip
def test_a_state_and_its_reasons(what: Known, state: State, reasons: tuple[str, ...]) -> None:
    found = decide(what, NOTHING)
    assert (found.state, found.reasons) == (state, reasons)
    assert (found.built is None) == (state not in (State.TESTED, State.BUILT))
    assert (found.error is not None) == (state is State.REFUSED)


def test_without_the_digest_of_the_base_nothing_is_skipped() -> None:
    identity = replace(WANTED, digest=None, base=None, unknown="python:3.11-slim")
    unknown = replace(known(HERE, built=built(identity=None)), identity=identity)
    found = decide(unknown, NOTHING)
    assert found.state is State.TODO
    assert found.reasons == ("the digest of the image `python:3.11-slim` is unknown",)


def test_force_and_a_second_test() -> None:
    done = known(HERE, built=built())
    forced = decide(done, Rules(force="`--force`"))
    assert (forced.state, forced.reasons, forced.built) == (State.TODO, ("`--force`",), None)
    again = decide(done, Rules(retest=True))
    assert (again.state, again.reasons) == (State.BUILT, ("tested again",))
    absent = decide(known(HERE, recorded=ORIGIN), Rules(retest=True))
    assert (absent.state, absent.reasons) == (
        State.TODO,
        ("tested again", "not built on this machine"),
    )


def test_a_mutable_tag_moves() -> None:
    found = decide(known(TAKEN, built=built()), Rules(mutable=True))
    assert found.state is State.TESTED


def test_a_refusal_names_the_image_and_what_changed() -> None:
    recorded = replace(ORIGIN, inputs=digest(b"y"), parts=(("algorithm", "a0"), PARTS[1]))
    error = decide(known(TAKEN, recorded=recorded), NOTHING).error
    assert error is not None
    assert "`b.example/demo:1.0-cpu-py311` already exists with another image" in error.message
    assert OTHER in error.message
    assert error.details == "algorithm changed"
    assert "`1.0-1`" in (error.hint or "")


def test_the_keys_that_changed_are_named() -> None:
    old = replace(built(identity=digest(b"x"), inputs=digest(b"y"), parts=(("images.toml", "i0"), PARTS[0])),
                  target=replace(TARGET, packages=("six",), platform="linux/arm64"))  # fmt: skip
    assert decide(known(built=old), NOTHING).reasons == ("images.toml changed: platform, packages",)
