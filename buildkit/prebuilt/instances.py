"""SageMaker instance types: which devices of images they run."""

from __future__ import annotations

import re

from buildkit.errors import UsageError

# Compiled when they are first wanted: most questions name a device.
TYPE = r"(?:ml[._])?(?P<family>[a-z]+[0-9][a-z0-9-]*?)(?:\.[a-z0-9-]+)?"
ARM = r"[a-z]+[0-9]+g[a-z]*|a1|[a-z]+[0-9]+[a-z]*-gb[0-9]+"
"""Graviton: a `g` after the generation, as in `c7gn`, or the first, `a1`. Grace: `p6e-gb200`."""
LOCAL = {"local": ("cpu",), "local_gpu": ("gpu",)}
CHIPS = (  # AWS's own: the first Inferentia is another architecture than the later ones
    ("inf1", ("inf1", "inf", "neuron")),
    ("inf", ("inf2", "neuronx")),
    ("trn", ("trn", "neuronx", "neuron")),
)


def devices(instance_type: str) -> tuple[str, ...]:
    """The devices whose images run there, the closest one first. Raises UsageError."""
    if instance_type in LOCAL:
        return LOCAL[instance_type]
    family = _family(instance_type)
    for prefix, found in CHIPS:
        if family.startswith(prefix):
            return found
    return ("gpu" if family[0] in "gp" else "cpu",)


def is_arm(instance_type: str) -> bool:
    return re.fullmatch(ARM, _family(instance_type)) is not None


def is_p4d(instance_type: str | None) -> bool:
    if instance_type is None or instance_type in LOCAL:
        return False
    return _family(instance_type) == "p4d"


def _family(instance_type: str) -> str:
    match = re.fullmatch(TYPE, instance_type)
    if match is None:
        raise UsageError(
            f"`{instance_type}` is not an instance type", hint="such as `ml.m5.xlarge` or `local`"
        )
    return match["family"]
