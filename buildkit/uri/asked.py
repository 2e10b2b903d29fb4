"""The options of `buildkit uri`, and which of them go together."""

from __future__ import annotations

from typing import NamedTuple

from buildkit.support.errors import UsageError

OWN, PREBUILT, LIST, EXPLAIN = "an image of this project", "--prebuilt", "--list", "--explain"
OPTIONS = {  # mode -> the options that it takes
    OWN: "target version latest device python purpose region account digest verify",
    PREBUILT: "target version latest device python purpose region verify prebuilt instance_type"
    " base_framework accelerator container_version smdistributed",
    LIST: "version device python purpose region prebuilt framework frameworks",
    EXPLAIN: "",
}
INSTEAD = {  # hints, where they say more than to remove the option
    ("target", LIST): "`buildkit uri --list --framework {value}`",
    ("target", EXPLAIN): "`--explain URI` takes no target",
    ("framework", PREBUILT): "`buildkit uri {value} --prebuilt`",
    ("framework", OWN): "`buildkit uri {value}`, or `buildkit uri --list --framework {value}`",
    ("instance_type", OWN): "`--device cpu` or `--device gpu`; for AWS's images `--prebuilt`",
    ("digest", PREBUILT): "`--verify` asks the registry for the digest",
    ("latest", LIST): "`buildkit uri --list --frameworks` shows the newest of each",
    ("frameworks", OWN): "`buildkit uri --list --frameworks`",
    ("frameworks", PREBUILT): "`buildkit uri --list --prebuilt --frameworks`",
}


class Asked(NamedTuple):
    file: str = "images.toml"
    allow_outside: bool = False
    as_json: bool = False
    target: str | None = None
    prebuilt: bool = False
    listing: bool = False
    explain: str | None = None
    framework: str | None = None
    frameworks: bool = False
    version: str | None = None
    latest: bool = False
    device: str | None = None
    python: str | None = None
    purpose: str | None = None
    region: str | None = None
    account: str | None = None
    digest: bool = False
    verify: bool = False
    instance_type: str | None = None
    base_framework: str | None = None
    accelerator: str | None = None
    container_version: str | None = None
    smdistributed: bool = False

    def lowered(self) -> Asked:
        """The same question, with the words that images have in lower case only spelt so."""
        words = {name: getattr(self, name) for name in ("device", "purpose", "region")}
        return self._replace(**{name: word and word.lower() for name, word in words.items()})

    @property
    def mode(self) -> str:
        if self.explain is not None:
            return EXPLAIN
        if self.listing:
            return LIST
        return PREBUILT if self.prebuilt else OWN


def check(asked: Asked) -> None:
    """Raise UsageError for options that do not go together, or without a question."""
    if asked.listing and asked.explain is not None:
        raise UsageError("`--list` and `--explain` exclude each other", hint="remove one of them")
    for name in dict.fromkeys(" ".join(OPTIONS.values()).split()):
        value = getattr(asked, name)
        modes = [mode for mode, names in OPTIONS.items() if name in names.split()]
        if value not in (None, False) and asked.mode not in modes:
            called = "TARGET" if name == "target" else f"--{name.replace('_', '-')}"
            hint = INSTEAD.get((name, asked.mode), "remove the option; only {modes} takes it")
            raise UsageError(
                f"`{called}` cannot be used with {asked.mode}",
                hint=hint.format(value=value, modes=" or ".join(modes)),
            )
    if asked.mode in (OWN, PREBUILT) and asked.target is None:
        raise UsageError(
            "no image given",
            hint="`buildkit uri sklearn --version 1.7`; `buildkit uri pytorch --prebuilt "
            "--version 2.5.1 …` for AWS's; `buildkit uri --list` shows all images",
        )
