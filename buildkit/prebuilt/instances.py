"""SageMaker instance types: which devices of images they run."""

from __future__ import annotations

import re

from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.support.suggest import nothing

# Compiled on first use: most questions name a device.
TYPE = r"(?P<family>(?:ml[._])?(?P<name>[a-z]+[0-9][a-z0-9-]*?))(?:\.(?P<size>[a-z0-9-]+))?"
ARM = r"[a-z]+[0-9]+g[a-z]*|a1|[a-z]+[0-9]+[a-z]*-gb[0-9]+"
"""Graviton: a `g` after the generation, as in `c7gn`, or the first, `a1`. Grace: `p6e-gb200`."""
FAMILIES = (
    "a1 c4 c5 c5d c5n c6a c6g c6gd c6gn c6i c6id c6in c7a c7g c7gd c7gn c7i c7i-flex c8a c8g c8gd"
    " c8gn c8i c8i-flex dl1 g3 g4ad g4dn g5 g5g g6 g6e g6f g7 g7e gr6 gr6f i3 i3en i4g"
    " i4i i7i i7ie i8g inf1 inf2 m4 m5 m5a m5ad m5d m5dn m5n m6a m6g m6gd m6i m6id m6idn m6in"
    " m7a m7g m7gd m7i m7i-flex m8a m8g m8gd m8i m8i-flex p2 p3 p3dn p4d p4de p5 p5e p5en p6-b200"
    " p6-b300 p6e-gb200 p6e-gb300 r4 r5 r5a r5ad r5d r5dn r5n r6a r6g r6gd r6i r6id r6idn r6in r7a"
    " r7g r7gd r7i r7iz r8a r8g r8gd r8i r8i-flex t2 t3 t3a t4g trn1 trn1n trn2 trn2u trn3"
    " x1 x1e x2gd x2idn x2iedn x8g z1d"
)
"""Families with known devices: those of SageMaker's API (botocore's model of it) and their siblings
in EC2, which may come to SageMaker. Whether any other family has a GPU is unknown."""
SIZES = (
    "micro small medium large xlarge 2xlarge 3xlarge 4xlarge 6xlarge 8xlarge 9xlarge 10xlarge"
    " 12xlarge 16xlarge 18xlarge 24xlarge 32xlarge 36xlarge 48xlarge 56xlarge 64xlarge 72xlarge"
    " 96xlarge 112xlarge 224xlarge"
)
"""The sizes of these families, in SageMaker's API and in EC2."""
NEW_SIZE = r"[1-9][0-9]{0,2}xlarge"
"""A size that only a new family may have."""
FIRST_NEURON = (  # Neuron's release notes: the first SDK that supports the machine
    ("trn3", (2, 27)),
    ("trn2", (2, 21)),
    ("trn1n", (2, 9)),
    ("trn1", (2, 3)),
    ("inf2", (2, 8)),
)
ELASTIC = "eia"
LOCAL = {"local": ("cpu",), "local_gpu": ("gpu",)}
CHIPS = (  # AWS's own: the first Inferentia is another architecture than the later ones
    ("inf1", ("inf1", "inf", "neuron")),
    ("inf", ("inf2", "neuronx")),
    ("trn", ("trn", "neuronx", "neuron")),
)


def is_known(instance_type: str) -> bool:
    """Whether the devices of a machine are known. AWS adds families. Raises UsageError."""
    return instance_type in LOCAL or _family(instance_type) in FAMILIES.split()


def devices(instance_type: str) -> tuple[str, ...]:
    """The devices whose images run there, the closest one first.

    Raises NothingSelectedError for an unknown machine, UsageError for what is no machine.
    """
    if instance_type in LOCAL:
        return LOCAL[instance_type]
    if not is_known(instance_type):
        if _family(instance_type).startswith(ELASTIC):
            raise UsageError(
                f"`{instance_type}` is an accelerator of Elastic Inference, not an instance type",
                hint=f"`--accelerator {instance_type}`",
            )
        raise NothingSelectedError(
            f"unknown instance type `{instance_type}`: it may or may not have a GPU",
            hint="name the device, too: `--device cpu` or `--device gpu`",
        )
    family = _family(instance_type)
    for prefix, found in CHIPS:
        if family.startswith(prefix):
            return found
    return ("gpu" if family[0] in "gp" else "cpu",)


def first_neuron(instance_type: str) -> tuple[int, int] | None:
    """The first Neuron SDK that supports a machine with AWS's chips; None for other machines."""
    family = _family(instance_type)
    return next((first for name, first in FIRST_NEURON if family.startswith(name)), None)


def known_to_neuron(sdk: tuple[int, ...], instance_type: str) -> tuple[str, ...]:
    """The families of the same chips that an SDK supports, the newest first."""
    chips = _family(instance_type)[:3]
    return tuple(name for name, first in FIRST_NEURON if first <= sdk and name.startswith(chips))


def is_arm(instance_type: str) -> bool:
    return re.fullmatch(ARM, _family(instance_type)) is not None


def is_p4d(instance_type: str) -> bool:
    return _family(instance_type) == "p4d"


def _family(instance_type: str) -> str:
    """The word before the size; all of a local one. Raises UsageError or NothingSelectedError."""
    if instance_type in LOCAL:
        return instance_type
    match = re.fullmatch(TYPE, instance_type)
    is_family = match is not None and match["name"] in FAMILIES.split()
    if match is None or not (is_family or match["size"]):
        raise UsageError(
            f"`{instance_type}` is not an instance type", hint="such as `ml.m5.xlarge` or `local`"
        )
    size, known = match["size"], SIZES.split()
    if size not in (None, *known) and (is_family or not re.fullmatch(NEW_SIZE, size)):
        raise nothing(
            f"`{instance_type}` is not an instance type: none has the size `{size}`",
            instance_type,
            [f"{match['family']}.{each}" for each in known],
        )
    return match["name"]
