"""Which hosts an image fits: a pure function of its CUDA and of the hosts in amis.txt.

A driver runs programs of its own CUDA version and of older ones. Those of a newer one need the
libraries of NVIDIA's package cuda-compat in the image, which work on drivers that are not too old.
Within one major version, programs run without them, too, but cannot compile code while they run
(PTX).
"""

from __future__ import annotations

import operator
import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from buildkit.amis import facts
from buildkit.amis.facts import ENDPOINT, TRANSFORM, Ami, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

OPTIONS = {ENDPOINT: "InferenceAmiVersion", TRANSFORM: "TransformAmiVersion"}
"""The key of a request that names the AMI."""
KEYS = {ENDPOINT: "inference_ami", TRANSFORM: "transform_ami"}
JOBS = {ENDPOINT: "endpoints", TRANSFORM: "batch transform"}
CONDITION = re.compile(r"(cuda|driver)(>=|<=|!=|>|<|=)([0-9]{1,4}(?:\.[0-9]{1,4})?)[0-9.]*")
COMPARE = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
    "!=": operator.ne,
}


class State(str, Enum):
    FITS = "fits"
    COMPAT = "fits with cuda-compat"
    NO_PTX = "fits without PTX"
    NOT = "does not fit"


class Needs(NamedTuple):
    """What an image asks of its host. `requirement` is its NVIDIA_REQUIRE_CUDA.

    `compat`: the image has cuda-compat.
    """

    cuda: Version
    requirement: str = ""
    compat: bool = False


class Fit(NamedTuple):
    ami: Ami
    state: State
    why: str = ""


class Ask(NamedTuple):
    """The AMI that the requests for a job should name, None if the image fits none.

    `only_with_compat`: the image fits none as it is, but would with cuda-compat.
    """

    job: str
    ami: Ami | None
    state: State = State.NOT
    only_with_compat: bool = False

    def __str__(self) -> str:
        if self.ami is None:
            without = " without cuda-compat" if self.only_with_compat else ""
            return f"{JOBS[self.job]}: no AMI fits{without}"
        limits = self.state.value.removeprefix(State.FITS.value)
        return f"{JOBS[self.job]}: {OPTIONS[self.job]} {self.ami.name}{limits}"


def fits(needs: Needs, job: str) -> tuple[Fit, ...]:
    """The verdict of each AMI of a job."""
    return tuple(_fit(needs, ami) for ami in facts.amis() if ami.job == job)


def ask(needs: Needs, job: str, family: str | None = None) -> Ask:
    """The newest driver that fits, else the newest that fits with cuda-compat or without PTX.

    Of hosts with a name: nobody can ask for another one. With an instance family, of those that it
    is known to accept, if one of them fits.
    """
    found = [each for each in fits(needs, job) if each.ami.name != facts.DEFAULT]
    if family is not None:
        known = [each for each in found if accepts(family, each.ami)]
        found = [each for each in known if each.state is not State.NOT] or found
    for state in (State.FITS, State.COMPAT, State.NO_PTX):
        for each in reversed(found):
            if each.state is state:
                return Ask(job, each.ami, state)
    helps = not needs.compat and ask(needs._replace(compat=True), job).ami is not None
    return Ask(job, None, only_with_compat=helps)


def accepts(family: str, ami: Ami) -> bool:
    """Whether an instance family is known to accept an AMI."""
    return family in (*ami.default, *ami.others)


def of_family(family: str, job: str) -> Ami | None:
    """The host that an instance family has if a request names none, such as `g5`; None: unknown."""
    return next((e for e in facts.amis() if e.job == job and family in e.default), None)


def asks(needs: Needs) -> tuple[Ask, ...]:
    """For endpoints and for batch transform."""
    return tuple(ask(needs, job) for job in OPTIONS)


def document(needs: Needs | None) -> dict[str, object]:
    """As JSON: the AMIs to ask for, those that need cuda-compat, and what each host says."""
    asked = asks(needs) if needs else ()
    names = {KEYS[each.job]: each.ami.name for each in asked if each.ami}
    found = [each for job in OPTIONS for each in fits(needs, job)] if needs else []
    return {
        **{key: names.get(key) for key in KEYS.values()},
        "cuda_compat_on": [e.ami.name for e in asked if e.ami and e.state is State.COMPAT],
        "hosts": {each.ami.name: each.state.value for each in found},
    }


def _fit(needs: Needs, ami: Ami) -> Fit:
    major = needs.cuda.major
    driver = facts.drivers().get(major)
    if major < ami.since:
        why = f"AWS reports that images of CUDA {major} do not start there"
        return Fit(ami, State.NOT, why)
    if not _allows(needs.requirement, ami):
        why = f"NVIDIA_REQUIRE_CUDA excludes driver {ami.driver} with CUDA {ami.cuda}"
        return Fit(ami, State.NOT, why)
    if ami.cuda >= needs.cuda:
        return Fit(ami, State.FITS)
    if driver is None or ami.driver < driver.compat:
        return Fit(ami, State.NOT, f"driver {ami.driver} is too old for CUDA {needs.cuda}")
    if needs.compat or ami.driver >= driver.oldest:
        state = State.COMPAT if needs.compat else State.NO_PTX
        return Fit(ami, state, f"driver {ami.driver} has CUDA {ami.cuda}")
    return Fit(ami, State.NOT, f"driver {ami.driver} needs cuda-compat for CUDA {needs.cuda}")


def _allows(requirement: str, ami: Ami) -> bool:
    """Whether NVIDIA's runtime starts an image: spaces mean or, commas mean and.

    Conditions on other things, such as the brand of the GPU, count as true.
    """
    alternatives = requirement.split()
    return not alternatives or any(all(_holds(each, ami)) for each in alternatives)


def _holds(alternative: str, ami: Ami) -> Iterator[bool]:
    for text in alternative.split(","):
        if found := CONDITION.fullmatch(text):
            name, sign, number = found.groups()
            wanted = facts.version(number)
            if name == "cuda":
                yield COMPARE[sign](ami.cuda, wanted)
            else:  # of drivers, only the branch is known
                yield COMPARE[sign](ami.driver, wanted.major)
