"""The end of a test of one image: its exit code, and the options to add if nothing was judged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract import verdict
from buildkit.contract.checks import REASON_IS
from buildkit.model.image import Verdict
from buildkit.model.target import Profile, Purpose
from buildkit.support.errors import Exit, UnjudgedError
from buildkit.system import console
from buildkit.verify import verify

if TYPE_CHECKING:
    from buildkit.model.image import Report

GIVE = {
    Purpose.TRAINING: "--channel training=FOLDER",
    Purpose.INFERENCE: "--model FOLDER --payload FILE:CONTENT-TYPE",
    Purpose.BOTH: "--channel training=FOLDER --payload FILE:CONTENT-TYPE",
    Purpose.PROCESSING: "--channel NAME=FOLDER",
}
"""The options that put an image of a purpose to work."""

CHANNEL = re.compile(
    r"channel\W{1,3}([A-Za-z0-9][A-Za-z0-9-]{0,63})[`'\"]|"
    r"/opt/ml/input/data/([A-Za-z0-9][A-Za-z0-9-]{0,63})"
)
"""A channel that a reason names, in quotes or by its folder."""


def end(found: Report, image: str) -> Exit:
    """The exit code. Prints an error if the image was not seen to work."""
    reached = verdict.of(found)
    if reached is not Verdict.UNJUDGED:
        return Exit.DONE if reached is Verdict.PASS else Exit.CONTRACT
    error = verify.too_busy(found) or UnjudgedError(
        f"`{image}` was not judged: {verify.why(found)}", hint=_give(found, image)
    )
    console.fail(error.message, hint=error.hint)
    return error.code


def _give(found: Report, image: str) -> str:
    purpose = found.purpose or Purpose.BOTH
    if purpose is Purpose.PROCESSING and found.profile == Profile.SMOKE.value:
        return f"`buildkit test {image} --purpose processing`, without `--profile smoke`"
    give = GIVE[purpose]
    reason = _reason(found)
    if channel := CHANNEL.search(reason):
        give = give.replace("training=", f"{channel[1] or channel[2]}=")
    said = reason and f"{REASON_IS} {reason!r}: add the missing input, for example "
    return (
        f"{said}`buildkit test {image} {give}`; if the image needs them, also pass "
        "`--hyperparameter KEY=VALUE`, `--environment KEY=VALUE` and `--header 'NAME: VALUE'`; or "
        "use the samples of a target: `--samples TARGET`"
    )


def _reason(found: Report) -> str:
    """The reason that `train` left when it failed without samples, empty if none."""
    return next((each.skip.said for each in found.clauses if each.id == "OUT-01" and each.skip), "")
