"""The user's network: where base images and packages come from, and which certificates to trust."""

from __future__ import annotations

import configparser
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from buildkit.support.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from buildkit.config.substitution import Rule


@dataclass(frozen=True, kw_only=True)
class Network:
    """A CA bundle to trust, a pip configuration (index, credentials), a folder of wheels.

    `substitutes` are the rules for bases and package indexes that have other addresses there.
    """

    substitutes: Sequence[Rule] = ()
    ca_bundle: Path | None = None
    pip_config: Path | None = None
    wheels: Path | None = None

    def with_rules(self, rules: Sequence[Rule]) -> Network:
        """The same with more rules, which count where none of its own fits."""
        return replace(self, substitutes=(*self.substitutes, *rules))

    def pip(self) -> configparser.RawConfigParser:
        """The user's pip configuration; empty without a file.

        Raises UsageError if the file is not a pip configuration.
        """
        found = configparser.RawConfigParser()
        if self.pip_config is None:
            return found
        try:
            found.read_string(self.pip_config.read_text(encoding="utf-8"))
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            raise UsageError(
                f"{self.pip_config} is not a pip configuration: {type(error).__name__}",
                hint="pip.conf has sections and keys, as `pip config debug` shows",
            ) from error
        return found
