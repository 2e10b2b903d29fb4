"""Every combination of the SDK's data, asked of the SDK's `retrieve` and of our lookup.

    PYTHONPATH=. "$(scripts/dev/sdk core)" tests/compare/compare.py

Runs in the SDK's own environment. Equal, or one of DEVIATIONS, each of which must occur.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagemaker.core import common_utils, image_uris

from buildkit.prebuilt import facts
from buildkit.prebuilt.retrieve import image_uri
from buildkit.support.errors import BuildkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGS = Path(image_uris.__file__).with_name("image_uri_config")
NOT_A_FRAMEWORK = ("instance_gpu_info",)
INSTANCES = {"cpu": "ml.m5.xlarge", "gpu": "ml.g5.xlarge", None: None}
ARM = "ml.c6g.xlarge"
MACHINES = (
    "ml.m5.xlarge", "ml.g5.xlarge", "ml.p3.2xlarge", "ml.c5.xlarge", ARM, "ml.g5g.xlarge",
    "ml.p4d.24xlarge", "ml.c7gn.xlarge", "ml.inf1.xlarge", "ml.inf2.xlarge", "ml.trn1.2xlarge", "local", "local_gpu",
)  # fmt: skip
ON_ARM = (ARM, "ml.g5g.xlarge", "ml.c7gn.xlarge")
ON_CHIPS = ("ml.inf1.xlarge", "ml.inf2.xlarge", "ml.trn1.2xlarge")
"""Asked with each combination of one region, instead of the device."""
SHOWN = 15


@dataclass(frozen=True)
class Combination:
    framework: str
    scope: str
    version: str
    base: str | None
    python: str | None
    device: str | None
    region: str
    is_alias: bool = False
    machine: str | None = None


def combinations(framework: str) -> Iterator[Combination]:
    document = json.loads((CONFIGS / f"{framework}.json").read_text())
    if "versions" in document:
        parts = [(scope, document) for scope in document.get("scope", [])]
    else:
        parts = list(document.items())
    for scope, node in parts:
        aliases = node.get("version_aliases", {})
        for version in (*node["versions"], *aliases):
            below = node["versions"][aliases.get(version, version)]
            for base, python, image in _images(below):
                pythons = [python] if python else image.get("py_versions") or [None]
                devices = node.get("processors") or image.get("processors") or [None]
                bases = [base]
                if base:
                    more = below.get("version_aliases", {})
                    bases += [alias for alias, to in more.items() if to == base]
                for spelt in bases:
                    for each in pythons:
                        for device in devices:
                            for region in image["registries"]:
                                yield Combination(
                                    framework, scope, version, spelt, each, device, region,
                                    version in aliases or spelt != base,
                                )  # fmt: skip


def on_machines(framework: str) -> Iterator[Combination]:
    asked = {
        replace(one, device=None) for one in combinations(framework) if one.region == "us-west-2"
    }
    for one in sorted(asked, key=repr):
        yield from (replace(one, machine=machine) for machine in MACHINES)


def _images(node: dict[str, Any]) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    if "repository" in node:
        yield None, None, node
        return
    for name, below in node.items():
        if name in ("py2", "py3"):
            yield None, name, below
        elif name != "version_aliases":
            yield name, None, below


def call_of(one: Combination) -> dict[str, Any]:
    """What one says to `retrieve`."""
    framework, tool, config = one.framework, None, None
    for suffix in ("-neuronx", "-neuron"):
        if framework in (f"pytorch{suffix}", f"huggingface{suffix}"):
            framework, tool = framework.removesuffix(suffix), suffix[1:]
    if framework.endswith("-training-compiler"):
        framework, config = framework.removesuffix("-training-compiler"), object()
    instance = one.machine or INSTANCES.get(one.device, f"ml.{one.device}.xlarge")
    if one.scope == "inference_graviton" and one.machine is None:
        instance = ARM
    return {
        "framework": framework, "region": one.region, "version": one.version or None, "py_version": one.python,
        "instance_type": instance, "image_scope": one.scope, "base_framework_version": one.base,
        "inference_tool": tool, "training_compiler_config": config,
        "accelerator_type": "ml.eia1.medium" if one.scope == "eia" else None,
    }  # fmt: skip


def ask_sdk(one: Combination) -> str | None:
    """The SDK's answer, None if it refuses or fails."""
    try:
        found: str = image_uris.retrieve(**call_of(one))
    except Exception:  # noqa: BLE001 - it fails in many ways
        return None
    return found


def ask_us(one: Combination) -> str | BuildkitError:
    """The very same call with a machine; else with the device, which no instance type tells."""
    asked = call_of(one)
    if one.machine is None:
        # The SDK calls either generation of Inferentia `inf`.
        second = one.device == "inf" and one.framework.endswith("-neuronx")
        asked |= {"instance_type": None, "device": "inf2" if second else one.device}
    try:
        return image_uri(**asked)
    except BuildkitError as error:
        return error


@dataclass(frozen=True)
class Deviation:
    reason: str
    holds: Callable[[Combination, str | None, str | None], bool]


DEVIATIONS: tuple[Deviation, ...] = (
    Deviation(
        "an image for x86 does not run on Graviton",
        lambda one, sdk, ours: (
            one.machine in ON_ARM and ours is None and sdk is not None and not _is_for_arm(sdk)
        ),
    ),
    Deviation(
        "the SDK does not know all Graviton machines, and treats the others as x86",
        lambda one, sdk, ours: (
            one.machine in ON_ARM[1:] and _is_for_arm(ours) and not _is_for_arm(sdk)
        ),
    ),
    Deviation(
        "on Graviton the SDK always returns the image for inference",
        lambda one, sdk, ours: (
            one.machine == ARM and one.scope == "training" and ours is None and _is_for_arm(sdk)
        ),
    ),
    Deviation(
        "on Graviton the SDK returns a different version of scikit-learn than requested",
        lambda one, sdk, ours: (
            one.machine == ARM
            and one.framework == "sklearn"
            and ours is None
            and one.version not in (sdk or "")
        ),
    ),
    Deviation(
        "the SDK has images for AWS's second generation of chips, but no instance type selects them",
        lambda one, sdk, ours: one.machine in ON_CHIPS[1:] and sdk is None and ours is not None,
    ),
    Deviation(
        "an image for CPUs and GPUs is not made for AWS's chips, whatever its tag leaves out",
        lambda one, sdk, ours: (
            one.machine in ON_CHIPS and ours is None and sdk is not None and "neuron" not in sdk
        ),
    ),
    Deviation(
        "an image for one kind of AWS's chips runs nowhere else",
        lambda one, sdk, ours: (
            one.machine is not None
            and ours is None
            and "neuron" in (sdk or "")
            and (one.framework != "pytorch" or one.version in (sdk or ""))
        ),
    ),
    Deviation(
        "on AWS's chips the SDK returns a different version of PyTorch than requested",
        lambda one, sdk, ours: (
            one.machine in ON_CHIPS
            and one.framework == "pytorch"
            and ours is None
            and one.version not in (sdk or "")
        ),
    ),
    Deviation(
        "an image for ARM does not run on x86",
        lambda one, sdk, ours: (
            one.machine not in (None, *ON_ARM) and ours is None and _is_for_arm(sdk)
        ),
    ),
    Deviation(
        "an alias of the SDK points to a different version than its name, for an image with a fixed tag",
        lambda one, sdk, ours: (
            one.is_alias and ours is None and one.version not in re.split("[:-]|tgi", sdk or "")
        ),
    ),
    Deviation(
        "AWS's tags that name the operating system or a base contain full versions",
        lambda one, sdk, ours: (
            one.is_alias
            and re.search("-ubuntu|-transformers", sdk or "") is not None
            and len(ours or "") > len(sdk or "")
        ),
    ),
    Deviation(
        "the SDK refuses its own llama.cpp for ARM on Graviton",
        lambda one, sdk, ours: (
            one.machine == ARM and one.framework == "llama-cpp-arm64" and sdk is None
        ),
    ),
    Deviation(
        "the SDK lets no framework but PyTorch run on Trainium, before it looks at its own data",
        lambda one, sdk, ours: (
            sdk is None and "neuronx" in (ours or "") and one.device in ("trn", "neuronx")
        ),
    ),
)


def _is_for_arm(uri: str | None) -> bool:
    return "arm64" in (uri or "") or "graviton" in (uri or "")


def base_python() -> Iterator[tuple[str, str, str | BuildkitError]]:
    document = json.loads((CONFIGS / "sagemaker-base-python.json").read_text())
    for region in document["versions"]["1.0"]["registries"]:
        for python in ("310", "38"):
            theirs = image_uris.get_base_python_image_uri(region, python)
            ours = image_uri("sagemaker-base-python", region, "1.0", python)
            yield f"base-python {python} {region}", theirs, ours


@dataclass(frozen=True)
class Odd:
    """A call outside of all combinations: whether the SDK answers it, and whether we do."""

    reason: str
    sdk: bool
    ours: bool
    asked: dict[str, Any]


def odd(reason: str, *, sdk: bool, ours: bool, **asked: Any) -> Odd:
    return Odd(reason, sdk, ours, {"region": "us-west-2", **asked})


ODD = (
    odd("a missing version is not replaced by another one", sdk=True, ours=False,
        framework="debugger", version="no-such-version"),
    odd("the newest version changes over time", sdk=True, ours=False,
        framework="sklearn", image_scope="training", py_version="py3", instance_type="ml.m5.xlarge"),
    odd("an image for inference does not train", sdk=True, ours=False,
        framework="huggingface-llm", version="2.0.0", image_scope="training", instance_type="ml.g5.xlarge"),
    odd("an accelerator is for inference", sdk=True, ours=False,
        framework="tensorflow", version="1.14", image_scope="training", accelerator_type="ml.eia1.medium", instance_type="ml.m5.xlarge"),
    odd("there is no such accelerator", sdk=True, ours=False,
        framework="tensorflow", version="1.14", image_scope="eia", accelerator_type="ml.eia9.huge", instance_type="ml.m5.xlarge"),
    odd("the data has another tag suffix than the requested one", sdk=True, ours=False,
        framework="huggingface-llm", version="2.0.0", container_version="cu999", instance_type="ml.g5.xlarge"),
    odd("the framework has no training compiler", sdk=True, ours=False,
        framework="tensorflow", version="2.14", image_scope="training", py_version="py310", instance_type="ml.g5.xlarge", training_compiler_config=object()),
    odd("the framework has no such tool and no such tag", sdk=True, ours=False,
        framework="sklearn", version="1.2-1", image_scope="training", py_version="py3", instance_type="ml.m5.xlarge", inference_tool="neuron"),
    odd("an image for x86 does not run on Grace, nor on the first Graviton", sdk=True, ours=False,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="ml.p6e-gb200.36xlarge"),
    odd("an image for x86 does not run on Grace, nor on the first Graviton", sdk=True, ours=False,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="ml.a1.large"),
    odd("the data does not say whether the machine has a GPU", sdk=True, ours=False,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="ml.zz9.large"),
    odd("no machine has that size", sdk=True, ours=False,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="ml.g5.xlarg"),
    odd("the image is of a Neuron SDK that is older than the machine", sdk=True, ours=False,
        framework="pytorch", version="1.11.0", image_scope="training", py_version="py38", instance_type="ml.trn2.48xlarge"),
    odd("only one image fits the request", sdk=False, ours=True,
        framework="pytorch", version="2.10.0", py_version="py313", instance_type="ml.g5.xlarge"),
    odd("only one image fits the request", sdk=False, ours=True,
        framework="huggingface", version="4.28.1", image_scope="training", instance_type="ml.g5.xlarge"),
    odd("it can only mean one image", sdk=False, ours=True,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="g5.xlarge"),
    odd("it can only mean one image", sdk=False, ours=True,
        framework="pytorch", version="2.5.1", image_scope="training", py_version="3.11", instance_type="ml.g5.xlarge"),
    odd("it can only mean one image", sdk=False, ours=True,
        framework="PyTorch", version="2.5.1", image_scope="training", py_version="py311", instance_type="ml.g5.xlarge"),
    odd("it can only mean one image", sdk=False, ours=True,
        framework="pytorch", version="2.5.1", image_scope="Training", py_version="py311", instance_type="ml.g5.xlarge"),
    odd("it can only mean one image", sdk=False, ours=True,
        framework="huggingface", version="4.28.1", image_scope="training", base_framework_version="PyTorch2.0.0", instance_type="ml.g5.xlarge"),
    odd("jobs no longer run on this machine type, but the image exists", sdk=False, ours=True,
        framework="pytorch", version="2.0.1", image_scope="training", py_version="py310", instance_type="ml.p2.xlarge"),
    odd("the SDK omits the version of Neuron, which AWS's tags contain", sdk=True, ours=True,
        framework="huggingface", version="4.28.1", image_scope="training", base_framework_version="pytorch1.13.0", inference_tool="neuronx"),
)  # fmt: skip
"""Those that both answer have to be different: none is equal."""


def judge_odd(one: Odd) -> str | None:
    """What is wrong, if it comes out in another way."""
    theirs: str | None = None
    ours: str | BuildkitError
    with suppress(Exception):
        theirs = image_uris.retrieve(**one.asked)
    try:
        ours = image_uri(**one.asked)
    except BuildkitError as error:
        ours = error
    good = (theirs is not None, isinstance(ours, str)) == (one.sdk, one.ours)
    if good and theirs != ours:
        return None
    return f"{one}\n  SDK:  {theirs}\n  ours: {ours}"


def judge(one: Combination) -> tuple[str, str | None]:
    """How it comes out: a line of the summary, and what is wrong if nothing explains it."""
    theirs, ours = ask_sdk(one), ask_us(one)
    told = ours if isinstance(ours, str) else None
    kind = "machines" if one.machine else "aliases" if one.is_alias else "combinations"
    if theirs == told and (theirs is not None or one.machine):
        return f"{kind}, equal", None
    for deviation in DEVIATIONS:
        if deviation.holds(one, theirs, told):
            return f"{kind}: {deviation.reason}", None
    return f"{kind}, UNEXPLAINED", f"{one}\n  SDK:  {theirs}\n  ours: {ours}"


def main() -> int:
    # Both are read again for each question, which makes an hour of ten seconds.
    image_uris.config_for_framework = cache(image_uris.config_for_framework)
    resolver = common_utils._botocore_resolver()
    common_utils._botocore_resolver = lambda: resolver
    counts: Counter[str] = Counter()
    wrong = []
    asked = []
    for path in sorted(CONFIGS.glob("*.json")):
        if path.stem not in NOT_A_FRAMEWORK:
            for one in (*combinations(path.stem), *on_machines(path.stem)):
                asked.append(one)
                line, problem = judge(one)
                counts[line] += 1
                wrong += [problem] if problem else []
    for name, theirs, ours in base_python():
        counts["combinations, equal"] += theirs == ours
        wrong += [] if theirs == ours else [f"{name}\n  SDK:  {theirs}\n  ours: {ours}"]
    counts["odd calls"] = len(ODD)
    wrong += filter(None, map(judge_odd, ODD))
    compared = {facts.regions()[one.region].partition for one in asked}
    if lacking := {each.partition for each in facts.regions().values()} - compared:
        wrong.append(f"no host is compared of the partitions {', '.join(sorted(lacking))}")
    print(f"{len(compared):7}  partitions, whose hosts are compared")
    unused = [d.reason for d in DEVIATIONS if not any(d.reason in line for line in counts)]
    print("\n".join(f"{count:7}  {line}" for line, count in sorted(counts.items())))
    print("\n".join(wrong[:SHOWN]), file=sys.stderr)
    for reason in unused:
        print(f"this deviation does not occur: {reason}", file=sys.stderr)
    return 1 if wrong or unused else 0


if __name__ == "__main__":
    sys.exit(main())
