"""The options of `buildkit uri`, and which of them go together."""

from __future__ import annotations

import re
from typing import NamedTuple

from buildkit.support.addresses import cut
from buildkit.support.errors import NothingSelectedError, UsageError
from buildkit.support.suggest import shown

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

TAGGED = r"(?P<name>[A-Za-z0-9][\w.+-]*)(?::|==?|@)v?(?P<tag>[\w.+-]+)"
"""What people write for a name and a version: `sklearn:1.7`, `sklearn==1.7`, `sklearn@1.7`."""
HOST = r"\.|^localhost$"
VERSION = r"[0-9][0-9A-Za-z.+]*(?:-[0-9]+)?(?![^-])"
"""The version that begins most tags, with its revision."""


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
    _refuse_tag(asked)
    if asked.mode in (OWN, PREBUILT) and asked.target is None:
        raise UsageError(
            "no image given",
            hint="`buildkit uri sklearn --version 1.7`; `buildkit uri pytorch --prebuilt "
            "--version 2.5.1 …` for AWS's; `buildkit uri --list` shows all images",
        )


def or_the_newest(error: NothingSelectedError) -> NothingSelectedError:
    """The error for an unknown version, whose hint also names `--latest`."""
    hint = f"{error.hint}; `--latest` without `--version` takes the newest"
    return NothingSelectedError(error.message, hint=hint)


def _refuse_tag(asked: Asked) -> None:
    """Raise UsageError for a name with a tag, or a whole URI, in place of a name."""
    if asked.target and "/" in asked.target and asked.target[0].isalnum():
        raise UsageError(
            f"`{shown(asked.target)}` is the URI of an image, and TARGET is a name",
            hint=f"`buildkit uri --explain {shown(asked.target)}`",
        )
    word, what = asked.target or "", "TARGET"
    if asked.listing:
        word, what = asked.framework or "", "`--framework`"
    if match := re.fullmatch(TAGGED, word):
        command = f"`buildkit uri {shown(_untagged(asked, match['name'].lower(), match['tag']))}`"
        # What is before the `@` of a host may be a password.
        is_host = not re.match(VERSION, match["tag"]) and re.search(HOST, match["tag"])
        written = shown(word) if is_host else cut(word)
        raise UsageError(
            f"`{written}` is a name with a tag, and {what} is a name",
            hint=f"{command}; for AWS's own images, add `--prebuilt`"
            if asked.mode == OWN
            else command,
        )


def _untagged(asked: Asked, name: str, tag: str) -> str:
    """The words of the command that looks up the image of a name with a tag."""
    version = re.match(VERSION, tag)
    choice = "--latest" if version is None else f"--version {version[0]}"
    if asked.listing:
        return f"--list --framework {name}" + (f" {choice}" if version else "")
    if asked.prebuilt:
        return f"{name} --prebuilt {choice}"
    # A whole tag is the end of a target id, unless images.toml has another form for tags.
    return f"{name} {choice}" if version is None or version[0] == tag else f"{name}-{tag}"
