"""What `buildkit uri` is asked, and which of its options go together."""

from __future__ import annotations

from typing import NamedTuple

from buildkit.support.errors import UsageError

OWN, PREBUILT, LIST, EXPLAIN = "an own image", "--prebuilt", "--list", "--explain"
GOES_WITH = {  # what only some of the four can be asked with
    "target": (OWN, PREBUILT),
    "version": (OWN, PREBUILT, LIST),
    "latest": (OWN, PREBUILT),
    "device": (OWN, PREBUILT, LIST),
    "python": (OWN, PREBUILT, LIST),
    "purpose": (OWN, PREBUILT, LIST),
    "region": (OWN, PREBUILT, LIST),
    "account": (OWN,),
    "digest": (OWN,),
    "verify": (OWN, PREBUILT),
    "prebuilt": (PREBUILT, LIST),
    "framework": (LIST,),
    "frameworks": (LIST,),
    "instance_type": (PREBUILT,),
    "base_framework": (PREBUILT,),
    "accelerator": (PREBUILT,),
    "container_version": (PREBUILT,),
    "smdistributed": (PREBUILT,),
}
INSTEAD = {  # the next thing to type, where it is not to leave the option out
    ("target", LIST): "`buildkit uri --list --framework {value}`",
    ("target", EXPLAIN): "`--explain` alone takes the URI",
    ("framework", PREBUILT): "`buildkit uri {value} --prebuilt`",
    ("framework", OWN): "`buildkit uri {value}`, or `buildkit uri --list --framework {value}`",
    ("instance_type", OWN): "`--device cpu` or `--device gpu`; for AWS's images `--prebuilt`",
    ("digest", PREBUILT): "`--verify` asks the registry for the digest",
    ("latest", LIST): "`buildkit uri --list --frameworks` shows the newest of each",
    ("frameworks", OWN): "`buildkit uri --list --frameworks`",
    ("frameworks", PREBUILT): "`buildkit uri --list --prebuilt --frameworks`",
}


class Asked(NamedTuple):
    file: str
    as_json: bool
    target: str | None
    prebuilt: bool
    listing: bool
    explain: str | None
    framework: str | None
    frameworks: bool
    version: str | None
    latest: bool
    device: str | None
    python: str | None
    purpose: str | None
    region: str | None
    account: str | None
    digest: bool
    verify: bool
    instance_type: str | None
    base_framework: str | None
    accelerator: str | None
    container_version: str | None
    smdistributed: bool

    @property
    def mode(self) -> str:
        if self.explain is not None:
            return EXPLAIN
        if self.listing:
            return LIST
        return PREBUILT if self.prebuilt else OWN


def check(asked: Asked) -> None:
    """Raise UsageError for options that do not go together, or if nothing is asked."""
    if asked.listing and asked.explain is not None:
        raise UsageError("`--list` and `--explain` exclude each other", hint="leave one out")
    for name, modes in GOES_WITH.items():
        value = getattr(asked, name)
        if value not in (None, False) and asked.mode not in modes:
            called = "TARGET" if name == "target" else f"--{name.replace('_', '-')}"
            hint = INSTEAD.get((name, asked.mode), "leave it out; it is for {modes}")
            raise UsageError(
                f"`{called}` does not go with {asked.mode}",
                hint=hint.format(value=value, modes=" and ".join(modes)),
            )
    if asked.mode in (OWN, PREBUILT) and asked.target is None:
        raise UsageError(
            "no image is named",
            hint="`buildkit uri sklearn --version 1.7`; `buildkit uri pytorch --prebuilt "
            "--version 2.5.1 …` for AWS's; `buildkit uri --list` shows all",
        )
