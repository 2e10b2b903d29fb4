"""Query -> the images that fit: one condition after another, each of which says what would fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit import near
from buildkit.errors import NothingSelectedError, UsageError
from buildkit.near import listed, nothing
from buildkit.prebuilt import facts, instances, naming

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.prebuilt.facts import Entry
    from buildkit.prebuilt.question import Query

    Entries = tuple[Entry, ...]

EIA = "eia"
ARM = "inference_graviton"
ARM_FRAMEWORK = "-arm64"
APART = (EIA, ARM)
"""Purposes that nobody means who does not say so."""
ACCELERATOR = r"ml\.eia[12]\.(medium|large|xlarge)|local_sagemaker_notebook"
NOT_ARM = "take an instance type that is not ARM, such as `ml.m5.xlarge` or `ml.g5.xlarge`"


def fitting(query: Query) -> Entries:
    """All images that fit, in all of their regions; at least one.

    Raises NothingSelectedError, or UsageError if a part of the question is no word of its kind.
    """
    found = _by_purpose(_by_version(query), query)
    base = query.base_framework
    found = _narrow(found, "base framework", base, lambda e: base in e.bases, lambda e: e.bases)
    return _by_python(_by_device(found, query), query)


def _by_version(query: Query) -> Entries:
    names = [query.framework]
    if _is_neuron(query):
        names += [f"{query.framework}-neuron", f"{query.framework}-neuronx"]
    known = facts.frameworks()
    names = [name for name in names if name in known]
    if not names:
        raise nothing(f"AWS has no images of `{query.framework}`", query.framework, known)
    if query.version is not None:
        found = tuple(e for name in names for e in facts.by_version(name).get(query.version, ()))
        if found:
            return found
    everything = tuple(entry for name in names for entry in facts.entries(name))
    versions = tuple(dict.fromkeys(name for entry in everything for name in entry.names))
    if query.version is None:
        if len({entry.names for entry in everything}) == 1:
            return everything
        raise UsageError(
            f"`{query.framework}` has many versions: say which", hint=listed("there is", versions)
        )
    raise nothing(f"AWS has no `{query.framework}` {query.version}", query.version, versions)


def _by_purpose(found: Entries, query: Query) -> Entries:
    wanted = query.purpose
    if query.accelerator is not None:
        _refuse_accelerator(query.accelerator, wanted)
        wanted = EIA
    if query.instance_type is not None and query.instance_type not in instances.LOCAL:
        wanted = _on_architecture(wanted, query.framework, query.instance_type)
    if wanted is not None and wanted not in facts.purposes():
        raise nothing(f"AWS has no images for `{wanted}`", wanted, facts.purposes())
    if wanted is None:
        plain = tuple(entry for entry in found if entry.purpose not in APART)
        return plain or found
    if wanted == ARM != query.purpose and not any(e.purpose == ARM for e in found):
        raise _nothing_for_arm(found, query.instance_type)
    return _narrow(found, "purpose", wanted, lambda e: e.purpose in (wanted, facts.ANY),
                   lambda e: (e.purpose,))  # fmt: skip


def _refuse_accelerator(accelerator: str, purpose: str | None) -> None:
    """Raise UsageError if it is none, or if it is of no use for what is asked."""
    if not re.fullmatch(ACCELERATOR, accelerator):
        raise UsageError(
            f"`{near.shown(accelerator)}` is not an accelerator",
            hint="such as `ml.eia1.medium` or `ml.eia2.xlarge`",
        )
    if purpose not in (None, "inference", EIA):
        raise UsageError(
            f"an accelerator such as `{accelerator}` is not for `{near.shown(purpose)}`",
            hint=f"leave one of the two out; an accelerator is for `inference` or `{EIA}`",
        )


def _nothing_for_arm(found: Entries, machine: str | None) -> NothingSelectedError:
    framework = found[0].framework
    versions = dict.fromkeys(e.names[0] for e in facts.entries(framework) if e.purpose == ARM)
    return NothingSelectedError(
        f"{_name(found)} is not there for ARM, such as `{machine}`",
        hint=listed("for ARM there is", tuple(versions)) if versions else NOT_ARM,
    )


def _on_architecture(wanted: str | None, framework: str, instance_type: str) -> str | None:
    """The purpose of images for a machine: those for ARM have one, or a framework, of their own."""
    if instances.is_arm(instance_type):
        if framework.endswith(ARM_FRAMEWORK):
            return wanted
        if wanted in (None, "inference", ARM):
            return ARM
        raise NothingSelectedError(
            f"AWS has no image for {wanted} on ARM, such as `{instance_type}`",
            hint=NOT_ARM,
        )
    if wanted == ARM or framework.endswith(ARM_FRAMEWORK):
        raise UsageError(f"`{instance_type}` is not ARM", hint="such as `ml.c7g.xlarge`")
    return wanted


def _by_device(found: Entries, query: Query) -> Entries:
    has = lambda entry: (entry.device or "cpu",)  # noqa: E731
    if query.device is not None:
        _refuse_contradiction(query.device, query.instance_type)
        name = query.device
        return _narrow(found, "device", name, lambda e: _runs_on(e, name) or name == _tool(e), has)
    if query.instance_type is None:
        return found
    for device in instances.devices(query.instance_type):
        if fits := tuple(entry for entry in found if _runs_on(entry, device)):
            return fits
    return _narrow(found, "instance type", query.instance_type, lambda _entry: False, has)


def _refuse_contradiction(device: str, instance_type: str | None) -> None:
    """Raise UsageError if both are asked, and the machine is of another kind."""
    if instance_type is None:
        return
    known = instances.devices(instance_type)
    if device not in known:
        raise UsageError(
            f"`{instance_type}` has no device `{near.shown(device)}`",
            hint=f"leave one of the two out; {listed('that machine has', known)}",
        )


def _runs_on(entry: Entry, device: str) -> bool:
    return device == entry.device or (entry.device is None and device in ("cpu", "gpu"))


def _tool(entry: Entry) -> str:
    """`neuron` or `neuronx` of images whose framework's name ends with it."""
    return entry.framework.rpartition("-")[2]


def _by_python(found: Entries, query: Query) -> Entries:
    if query.python is None:
        return found
    wanted = naming.python_word(query.python)
    if not (wanted.isascii() and wanted[2:].isdigit()):
        raise UsageError(f"`{query.python}` is not a Python", hint="such as `3.11` or `py311`")
    return _narrow(found, "Python", wanted, lambda e: e.python in (wanted, None),
                   lambda e: (e.python or "-",))  # fmt: skip


def _is_neuron(query: Query) -> bool:
    names = (query.device or "", (query.instance_type or "").removeprefix("ml."))
    return any(name.startswith(("inf", "trn", "neuron")) for name in names)


def _narrow(
    found: Entries,
    what: str,
    wanted: str | None,
    fits: Callable[[Entry], bool],
    has: Callable[[Entry], Sequence[str]],
) -> Entries:
    """Those that fit; all, if nothing is wanted. Raises NothingSelectedError with what there is."""
    if wanted is None:
        return found
    narrowed = tuple(entry for entry in found if fits(entry))
    if not narrowed:
        known = dict.fromkeys(name for entry in found for name in has(entry))
        raise nothing(f"{_name(found)} is not there for the {what} `{wanted}`", wanted, known)
    return narrowed


def _name(found: Entries) -> str:
    return f"`{found[0].framework}` {found[0].names[0]}".rstrip()
