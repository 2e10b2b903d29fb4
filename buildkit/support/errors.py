"""Every kind of failure, with its exit code. The page is docs/reference/exit-codes.md."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from buildkit.support import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Exit(IntEnum):
    DONE = 0
    BUG = 1
    USAGE = 2
    NOTHING_SELECTED = 3
    TEMPLATE = 4
    TOOL = 5
    CONTRACT = 6
    DRIFT = 7
    UNJUDGED = 8
    INTERRUPTED = 130


class BuildkitError(Exception):
    """A failure that the user can act on.

    `message` says what happened, to what, and what was found; `hint` is the next command or edit.
    Each is one line: both may quote registries, which could add lines that look like ours.
    `details` are lines of evidence (a log tail, a diff), shown unchanged.
    """

    code = Exit.BUG

    def __init__(self, message: str, *, hint: str | None = None, details: str = "") -> None:
        super().__init__(message)
        # Both quote values of users, which may be long, or contain passwords and tokens. A hint
        # may end in an address of the manual.
        self.message = addresses.brief(addresses.hidden(_one_line(message)))
        self.hint = None if hint is None else addresses.without_user(_one_line(hint))
        self.details = details

    @property
    def facts(self) -> dict[str, object]:
        """The error as JSON. `message` also has the evidence, in the lines after the first."""
        return {
            "kind": self.code.name.lower().replace("_", "-"),
            "message": "\n".join(filter(None, (self.message, self.details))),
            "hint": self.hint,
            "code": int(self.code),
        }


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


class UsageError(BuildkitError):
    """The command line asks for something impossible."""

    code = Exit.USAGE


class ConfigError(BuildkitError):
    """images.toml is not valid. `details` lists all problems."""

    code = Exit.USAGE


class NothingSelectedError(BuildkitError):
    code = Exit.NOTHING_SELECTED


class TemplateError(BuildkitError):
    code = Exit.TEMPLATE


class LockError(BuildkitError):
    """images.lock lacks something, or was made from another images.toml. `details` lists what."""

    code = Exit.TEMPLATE


class ToolError(BuildkitError):
    """Docker, a registry or AWS failed or refused."""

    code = Exit.TOOL


class UnavailableError(ToolError):
    """A registry or AWS does not answer now; a retry may succeed."""


class ContractError(BuildkitError):
    """An image breaks the SageMaker contract."""

    code = Exit.CONTRACT


class UnjudgedError(BuildkitError):
    """No clause is broken, but the image was never started to train, serve or process."""

    code = Exit.UNJUDGED


def bug(error: Exception) -> BuildkitError:
    """An unexpected exception. With BUILDKIT_TRACEBACK set, the exception is shown instead."""
    return BuildkitError(
        f"this is a bug in buildkit: {type(error).__name__}: {error}",
        hint="rerun the command with BUILDKIT_TRACEBACK=1, and report the output",
    )


def interruption() -> BuildkitError:
    """The end by Ctrl-C, SIGTERM or SIGHUP."""
    error = BuildkitError("interrupted", hint="rerun the command")
    error.code = Exit.INTERRUPTED
    return error


def together(errors: Sequence[BuildkitError], of: int, others: str) -> ToolError:
    """Failures in some of `of` registries, as one error; `others` describes the rest."""
    return ToolError(
        f"{len(errors)} of {of} registries failed: "
        + "; ".join(error.message for error in errors)
        + (f"; {others}" if others else ""),
        hint="; ".join(dict.fromkeys(error.hint for error in errors if error.hint)),
    )


def ending(places: Iterable[str]) -> str:
    """The end of a message: the places that succeeded, if any did."""
    named = ", ".join(places)
    return f"done: {named}" if named else ""


def worst(codes: list[Exit]) -> Exit:
    """The exit code of a run in which several targets failed.

    A failed tool outranks a broken contract: the run is then incomplete, not merely negative.
    """
    order = (
        Exit.BUG,
        Exit.TOOL,
        Exit.TEMPLATE,
        Exit.USAGE,
        Exit.NOTHING_SELECTED,
        Exit.CONTRACT,
        Exit.UNJUDGED,
        Exit.DRIFT,
    )
    return next((code for code in order if code in codes), Exit.DONE)
