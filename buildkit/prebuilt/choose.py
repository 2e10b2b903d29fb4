"""Query -> the images that match, condition by condition; each error lists what would match.

Queries are in lower case here: `Query.lowered`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.prebuilt import facts, instances, naming
from buildkit.support import suggest
from buildkit.support.errors import BuildkitError, NothingSelectedError, UsageError
from buildkit.support.suggest import listed, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildkit.prebuilt.facts import Entry
    from buildkit.prebuilt.question import Query

    Entries = tuple[Entry, ...]

EIA = "eia"
ARM = "inference_graviton"
ARM_FRAMEWORK = "-arm64"
APART = (EIA, ARM)
"""Purposes that are never assumed: the question has to name them."""
ACCELERATOR = r"ml\.eia[12]\.(medium|large|xlarge)|local_sagemaker_notebook"
NEURON_SDK = r"-sdk([0-9]+)\.([0-9]+)"
UNNAMED = (99, 0)
ANY_DEVICE = ("cpu", "gpu")
"""What an image runs on whose tag names no device."""
NUMBERED = ("Python", "base framework")
"""Conditions on numbers: an error lists the newest first."""
SHORTEST = 3
"""Letters that a word needs to be searched in the names of repositories."""
NOT_ARM = "take an instance type that is not ARM, such as `ml.m5.xlarge` or `ml.g5.xlarge`"


def fitting(query: Query) -> Entries:
    """All images that match, in all of their regions; at least one.

    Raises NothingSelectedError, or UsageError if a part of the question is malformed.
    """
    return _by_the_rest(_by_version(query), query)


def versions(query: Query) -> tuple[str, ...]:
    """The full versions that have an image for the rest of the question, the newest first.

    Only versions in its region, if there are any. Raises NothingSelectedError, or UsageError, if
    nothing matches the rest.
    """
    found = _by_the_rest(_of_framework(query), query)
    there = tuple(e for e in found if query.region in e.regions)
    return naming.newest_first(entry.names[0] for entry in there or found)


def has_version(query: Query) -> bool:
    """Whether the version in the question exists, in full or short."""
    return any(query.version in facts.by_version(name) for name in _names(query))


def _by_the_rest(found: Entries, query: Query) -> Entries:
    """The images that match the question apart from framework, version and region."""
    found = _by_purpose(found, query)
    if (base := query.base_framework) is not None:
        found = _narrow(found, query, "base framework", base, lambda entry: entry.bases)
    return _by_python(_by_device(found, query), query)


def _names(query: Query) -> list[str]:
    """The frameworks that the question means. Raises NothingSelectedError if the data has none."""
    called = naming.framework(query.framework)
    names = [called]
    machine = (query.instance_type or "").removeprefix("ml.")
    if any(name.startswith(("inf", "trn", "neuron")) for name in (query.device or "", machine)):
        names += [f"{called}-neuron", f"{called}-neuronx"]
    known = facts.frameworks()
    names = [name for name in names if name in known]
    if not names:
        raise _no_framework(query.framework)
    return names


def _no_framework(name: str) -> NothingSelectedError:
    """The error for an unknown name, which may be part of the name of a repository."""
    known = facts.frameworks()
    error = nothing(f"{facts.source()} has no images of `{name}`", name, (*known, *naming.SPOKEN))
    hint, word = error.hint, name.strip()
    if len(word) >= SHORTEST:
        repositories = {each: {e.repository for e in facts.entries(each)} for each in known}
        found = [each for each in known if any(word in name for name in repositories[each])]
        # the nearest first: has that repository, has that word, has a short name
        found.sort(key=lambda each: (word not in repositories[each], word not in each, len(each)))
        if found:
            hint = listed("frameworks with this word in the names of their repositories", found)
    return NothingSelectedError(
        error.message, hint=f"{hint}; `buildkit uri --list --frameworks` lists all"
    )


def _of_framework(query: Query) -> Entries:
    return tuple(entry for name in _names(query) for entry in facts.entries(name))


def _by_version(query: Query) -> Entries:
    if query.version is not None:
        known = (facts.by_version(name).get(query.version, ()) for name in _names(query))
        if found := tuple(entry for entries in known for entry in entries):
            return found
    everything = _of_framework(query)
    if query.version is None:
        if len({entry.names for entry in everything}) == 1:
            return everything
        raise UsageError(
            f"`{query.framework}` has many versions: choose one",
            hint="pass one with `--version`, or `--latest` for the newest; "
            f"{suggest.there_are(versions(query))}",
        )
    raise no_version(query, query.version)


def no_version(query: Query, version: str) -> NothingSelectedError:
    """The error for a version that the data lacks: it lists those that match the rest."""
    message = f"{facts.source()} has no `{query.framework}` {version}"
    return suggest.no_version(message, version, _versions_near(query))


def _versions_near(query: Query) -> tuple[str, ...]:
    """The versions that an error lists: those that match the rest, or all if none does."""
    try:
        return versions(query)
    except BuildkitError:
        return naming.newest_first(entry.names[0] for entry in _of_framework(query))


def _by_purpose(found: Entries, query: Query) -> Entries:
    wanted = query.purpose
    if query.accelerator is not None:
        _refuse_accelerator(query.accelerator, wanted)
        wanted = EIA
    if query.instance_type is not None and query.instance_type not in instances.LOCAL:
        wanted = _on_architecture(wanted, query.framework, query.instance_type)
    if wanted is not None and wanted not in facts.purposes():
        message = f"{facts.source()} has no images for `{wanted}`"
        raise nothing(message, wanted, facts.purposes())
    if wanted is None:
        plain = tuple(entry for entry in found if entry.purpose not in APART)
        return plain or found
    if wanted == ARM != query.purpose and not any(e.purpose == ARM for e in found):
        raise _nothing_for_arm(found, query.instance_type)
    fits = lambda entry: entry.purpose in (wanted, facts.ANY)  # noqa: E731
    return _narrow(found, query, "purpose", wanted, lambda entry: (entry.purpose,), fits=fits)


def _refuse_accelerator(accelerator: str, purpose: str | None) -> None:
    """Raise UsageError if it is not an accelerator, or of no use for the purpose."""
    if not re.fullmatch(ACCELERATOR, accelerator):
        raise UsageError(
            f"`{suggest.shown(accelerator)}` is not an accelerator",
            hint="such as `ml.eia1.medium` or `ml.eia2.xlarge`",
        )
    if purpose not in (None, "inference", EIA):
        raise UsageError(
            f"an accelerator such as `{accelerator}` cannot be used for `{suggest.shown(purpose)}`",
            hint=f"remove one of the two; accelerators are for `inference` or `{EIA}`",
        )


def _nothing_for_arm(found: Entries, machine: str | None) -> NothingSelectedError:
    framework = found[0].framework
    for_arm = naming.newest_first(e.names[0] for e in facts.entries(framework) if e.purpose == ARM)
    return NothingSelectedError(
        f"{facts.source()} has no {_name(found)} for ARM, such as `{machine}`",
        hint=f"for ARM {suggest.there_are(for_arm)}" if for_arm else NOT_ARM,
    )


def _on_architecture(wanted: str | None, framework: str, instance_type: str) -> str | None:
    """The purpose of images for a machine: those for ARM have one, or a framework, of their own."""
    if instances.is_arm(instance_type):
        if framework.endswith(ARM_FRAMEWORK):
            return wanted
        if wanted in (None, "inference", ARM):
            return ARM
        raise NothingSelectedError(
            f"{facts.source()} has no image for {wanted} on ARM, such as `{instance_type}`",
            hint=NOT_ARM,
        )
    if wanted == ARM or framework.endswith(ARM_FRAMEWORK):
        raise UsageError(f"`{instance_type}` is not ARM", hint="such as `ml.c7g.xlarge`")
    return wanted


def _by_device(found: Entries, query: Query) -> Entries:
    has = lambda entry: (entry.device,) if entry.device else ANY_DEVICE  # noqa: E731
    if query.device is not None:
        _refuse_contradiction(query.device, query.instance_type)
        name = query.device
        fits = lambda entry: _runs_on(entry, name) or entry.framework.endswith(f"-{name}")  # noqa: E731
        return _narrow(found, query, "device", name, has, fits=fits)
    if query.instance_type is None:
        return found
    if not instances.is_known(query.instance_type) and all(e.device is None for e in found):
        return found
    for device in instances.devices(query.instance_type):
        if there := tuple(entry for entry in found if _runs_on(entry, device)):
            return _new_enough(there, query.instance_type)
    return _narrow(found, query, "instance type", query.instance_type, has)


def _refuse_contradiction(device: str, instance_type: str | None) -> None:
    """Raise UsageError if the machine is known not to have the device."""
    if instance_type is None or not instances.is_known(instance_type):
        return
    known = instances.devices(instance_type)
    if device not in known:
        raise UsageError(
            f"`{instance_type}` has no device `{suggest.shown(device)}`",
            hint=f"remove one of the two; {listed('that machine has', known)}",
        )


def _new_enough(found: Entries, machine: str) -> Entries:
    """The images whose Neuron SDK supports the machine; NothingSelectedError if all are older."""
    first = instances.first_neuron(machine)
    fits = tuple(entry for entry in found if first is None or _neuron(entry) >= first)
    if not fits and first is not None:
        newest = max(map(_neuron, found))
        older = instances.known_to_neuron(newest, machine)
        raise NothingSelectedError(
            f"{facts.source()} has no {_name(found)} for `{machine}`: the newest image has Neuron "
            f"SDK {naming.dotted(newest)}, and that machine needs {naming.dotted(first)} or newer",
            hint="AWS may have an image that the data lacks; "
            f"{listed('the newest image of the data runs on', older)}",
        )
    return fits


def _neuron(entry: Entry) -> tuple[int, ...]:
    """The Neuron SDK of an image, from its tag; the newest if the tag does not name one."""
    match = re.search(NEURON_SDK, entry.tag)
    return (int(match[1]), int(match[2])) if match else UNNAMED


def _runs_on(entry: Entry, device: str) -> bool:
    return device == entry.device or (entry.device is None and device in ANY_DEVICE)


def _by_python(found: Entries, query: Query) -> Entries:
    if query.python is None:
        return found
    wanted = naming.python_word(query.python)
    if not (wanted.isascii() and wanted[2:].isdigit()):
        raise UsageError(
            f"`{query.python}` is not a Python version", hint="such as `3.11` or `py311`"
        )
    fits = lambda entry: entry.python in (wanted, None)  # noqa: E731
    try:
        has = lambda entry: (entry.python or "-",)  # noqa: E731
        return _narrow(found, query, "Python", wanted, has, fits=fits)
    except NothingSelectedError as error:
        named = (each.names[0] for each in _of_framework(query))
        its = naming.newest_first(name for name in named if wanted in name.split("-"))
        if not its:
            raise
        hint = f"its Python is a part of the version: `--version {its[0]}`, without `--python`"
        raise NothingSelectedError(error.message, hint=hint) from None


def _narrow(
    found: Entries,
    query: Query,
    what: str,
    wanted: str,
    has: Callable[[Entry], Sequence[str]],
    *,
    fits: Callable[[Entry], bool] | None = None,
) -> Entries:
    """The images that fit, or else that have what is wanted.

    Raises NothingSelectedError with what they have, in the region of the question if any do.
    """
    fits = fits or (lambda entry: wanted in has(entry))
    narrowed = tuple(entry for entry in found if fits(entry))
    if not narrowed:
        there = [entry for entry in found if query.region in entry.regions]
        known = dict.fromkeys(name for entry in there or found for name in has(entry))
        ordered = naming.newest_first(known) if what in NUMBERED else known
        message = f"{facts.source()} has no {_name(found)} for the {what} `{wanted}`"
        raise nothing(message, wanted, ordered)
    return narrowed


def _name(found: Entries) -> str:
    """The framework, and its version if there is only one."""
    versions_ = dict.fromkeys(entry.names[0] for entry in found)
    return f"`{found[0].framework}` {next(iter(versions_)) if len(versions_) == 1 else ''}".rstrip()
