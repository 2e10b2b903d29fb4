"""What a check finds: fine, a warning, or a problem with its fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from buildkit.support.errors import Exit, worst


class State(str, Enum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`name` is that of the check if all is fine, else that of what is wrong.

    `fix` is one command or one edit, and `details` what it needs, such as a policy to paste.
    """

    name: str
    found: str
    state: State = State.OK
    fix: str = ""
    details: str = ""
    code: Exit = Exit.DONE


def ok(name: str, found: str) -> Finding:
    return Finding(name=name, found=found)


def warning(name: str, found: str, fix: str, details: str = "") -> Finding:
    return Finding(name=name, found=found, state=State.WARNING, fix=fix, details=details)


def problem(
    name: str, found: str, fix: str, *, details: str = "", code: Exit = Exit.TOOL
) -> Finding:
    return Finding(name=name, found=found, state=State.PROBLEM, fix=fix, details=details, code=code)


def fix_of(hint: str, otherwise: str) -> str:
    """The hint of an error as a fix, unless it points to this command, or there is none."""
    return hint if hint and "buildkit doctor" not in hint else otherwise


def exit_code(findings: tuple[Finding, ...]) -> Exit:
    return worst([each.code for each in findings])
