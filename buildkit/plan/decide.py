"""What is known of a target -> what has to be done for it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from buildkit.model.image import InRegistries, Location
from buildkit.plan import reasons
from buildkit.plan.known import Known, State
from buildkit.publish.destination import bump
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.image import Built
    from buildkit.model.target import Target
    from buildkit.plan.identity import Identity
    from buildkit.plan.served import Served


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a run decides. `force`: why everything is done again, empty if nothing is.

    `retest`: no earlier test counts. `mutable`: tags may move to other images.
    """

    force: str = ""
    retest: bool = False
    mutable: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a run does for a target, and the `reasons` in words.

    `found` is the published image, if nothing but the ledger can lack it; `built` is the one that
    need not be built again.
    """

    target: Target
    identity: Identity
    state: State
    reasons: tuple[str, ...]
    found: InRegistries | None = None
    built: Built | None = None
    error: ToolError | None = None


def decide(known: Known, rules: Rules) -> Decision:
    """Never skips on a doubt: whatever is unknown is done again."""
    if rules.force:
        return _todo(known, (rules.force,))
    wanted = known.identity.digest
    if wanted is None:
        return _todo(known, reasons.of_no_identity(known))
    here = known.here
    published = None
    if _everywhere(known.served, wanted):
        published = None if rules.retest else _published(known)
        recordable = here is not None and not known.untested  # a cut off run left it out
        if published is not None and (known.noted or not recordable):
            return published
    elif (taken := _taken(known, rules)) is not None:
        return _refused(known, taken)
    if here is None:
        return _todo(known, reasons.of_build(known, retest=rules.retest))
    state = State.BUILT if known.untested or rules.retest else State.TESTED
    return Decision(
        target=known.target,
        identity=known.identity,
        state=state,
        reasons=reasons.of_test(known, retest=rules.retest),
        built=here,
        found=published.found if published else None,
    )


def _everywhere(served: Sequence[Served], wanted: str) -> bool:
    """Whether all registries serve the image that is wanted, and one and the same."""
    same = all(each.error is None and each.identity == wanted for each in served)
    return bool(served) and same and len({each.digest for each in served}) == 1


def _taken(known: Known, rules: Rules) -> Served | None:
    """A registry whose tag has an image with other inputs, if tags never move."""
    if rules.mutable:
        return None
    taken = (
        each
        for each in known.served
        if each.error is None and each.identity not in (None, known.identity.digest)
    )
    return next(taken, None)


def _todo(known: Known, why: tuple[str, ...]) -> Decision:
    return Decision(target=known.target, identity=known.identity, state=State.TODO, reasons=why)


def _published(known: Known) -> Decision:
    image = known.target.image
    (digest,) = {each.digest for each in known.served}
    assert digest is not None
    places = [Location(uri=f"{each.host}/{image}", pushed=False) for each in known.served]
    return Decision(
        target=known.target,
        identity=known.identity,
        state=State.PUBLISHED,
        reasons=() if known.noted else ("not in the ledger",),
        found=InRegistries(digest=digest, locations=tuple(places)),
    )


def _refused(known: Known, taken: Served) -> Decision:
    target = known.target
    why = reasons.of_refusal(known)
    return Decision(
        target=target,
        identity=known.identity,
        state=State.REFUSED,
        reasons=why,
        error=ToolError(
            f"`{taken.host}/{target.image}` already exists with another image, made from other "
            f"inputs: {taken.digest}",
            details="\n".join(why),
            hint=bump(target),
        ),
    )
