"""The end of a run: failures and a summary on stderr, results on stdout, and the exit code."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import click

from buildkit.contract import verdict as verdicts
from buildkit.model.image import SkipKind, Status, Verdict
from buildkit.support import manual
from buildkit.support.amounts import count
from buildkit.support.errors import ContractError, Exit, worst
from buildkit.system import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildkit.model.image import ClauseResult, Report
    from buildkit.model.outcome import Outcome
    from buildkit.model.target import Target
    from buildkit.pipeline import Run
    from buildkit.support.errors import BuildkitError

COUNTED = {
    Status.FAIL: "failed",
    Status.PASS: "passed",
    Status.WARN: "warning",
    Status.SKIP: "skipped",
}
COLOURS = {Status.PASS: "green", Status.FAIL: "red", Status.WARN: "yellow", Status.SKIP: None}
OF_VERDICTS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNJUDGED: "yellow"}
OF_WORDS = {"failed": "red", "not judged": "yellow", "not begun": "yellow"}
NAMED = 10
"""Most targets that the next command names; more than that are selected as before."""
MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The command, its selection as it was typed, and when the run began."""

    command: str
    select: Sequence[str]
    began: float = field(default_factory=time.monotonic)

    @property
    def selection(self) -> str:
        return shlex.join(self.select) or "--all"


def end(
    run: Run,
    targets: Sequence[Target],
    asked: Asked,
    *,
    as_json: bool,
    clauses: bool = False,
    verbose: bool = False,
) -> Exit:
    """Report how a run ended, with `clauses` clause by clause. Returns the exit code.

    Raises the error that kept the run out of the ledger.
    """
    outcomes = run.outcomes
    if clauses and not as_json:
        for outcome in outcomes:
            if outcome.report is not None:
                console.say(outcome.target.id, bold=True)
                show(outcome.report, verbose=verbose)
    stayed = run.moves.errors if run.moves else ()
    _show_failures(outcomes, stayed, evidence=as_json or not clauses)
    summarize(asked, targets, outcomes)
    if as_json:
        click.echo(json.dumps(_document(run, targets, clauses=clauses), indent=2))
    else:
        for outcome in outcomes:
            _print(outcome)
    if run.unrecorded is not None:
        raise run.unrecorded
    errors = (outcome.error for outcome in outcomes if outcome.error is not None)
    return worst([error.code for error in (*errors, *stayed)])


def _show_failures(
    outcomes: Sequence[Outcome], stayed: Sequence[BuildkitError], *, evidence: bool
) -> None:
    """Errors on stderr. The `evidence` of broken clauses is left out if their report has it."""
    for outcome in outcomes:
        if (error := outcome.error) is not None:
            details = error.details if evidence or not isinstance(error, ContractError) else ""
            console.fail(f"{outcome.target.id}: {error.message}", hint=error.hint, details=details)
    for error in stayed:
        console.fail(error.message, hint=error.hint, details=error.details)


def _document(run: Run, targets: Sequence[Target], *, clauses: bool) -> dict[str, object]:
    """What `--json` prints."""
    begun = {outcome.target.id for outcome in run.outcomes}
    found = [_facts(outcome, clauses=clauses) for outcome in run.outcomes]
    found += [{"id": each.id, "status": "not begun"} for each in targets if each.id not in begun]
    aliases = {"aliases": [asdict(each) for each in run.moves.done]} if run.moves else {}
    return {"targets": found, **aliases}


def show(found: Report, *, verbose: bool = False) -> None:
    """Show a report on stderr: causes with evidence, what follows and fix; counts of the others.

    With `verbose` also each knock-on failure, each skipped and each passed clause.
    """
    of = {status: [each for each in found.clauses if each.status is status] for status in Status}
    _show_causes(found)
    if verbose:
        for each in (*_knock_ons(found), *of[Status.SKIP], *of[Status.PASS]):
            _show(each)
    else:
        for each in filter(lambda passed: passed.message, of[Status.PASS]):
            _show(each)  # the message says what was not judged, or what a user has to do
        _count(of[Status.SKIP], of[Status.PASS])
    if untried := verdicts.untried(found):
        console.say(untried, fg="yellow")
    if any(each.skipped_for(SkipKind.SAMPLES) for each in of[Status.SKIP]):
        page = manual.page("contract", "samples")
        console.say(f"hint: add samples to check more clauses: {page}", fg="cyan")
    if found.kept:
        console.say(f"kept: {', '.join(found.kept)}")
    reached = verdicts.of(found)
    counts = ", ".join(
        count(len(of[status]), word) if status is Status.WARN else f"{len(of[status])} {word}"
        for status, word in COUNTED.items()
        if of[status] or status is Status.PASS
    )
    console.say(
        f"{reached.value}: {counts} in {found.seconds:.0f} s", fg=OF_VERDICTS[reached], bold=True
    )


def _show_causes(found: Report) -> None:
    for each in verdicts.causes(found):
        _show(each)
        if follows := verdicts.knock_on(found, each):
            console.say(f"      knock-on: {follows}")
        if each.hint:
            console.say(f"      fix: {each.hint}", fg="cyan")


def _knock_ons(found: Report) -> list[ClauseResult]:
    """The broken clauses that another one explains."""
    return [each for each in found.clauses if each.cause and each.status in verdicts.BROKEN]


def _count(skipped: Sequence[ClauseResult], passed: Sequence[ClauseResult]) -> None:
    if skipped:
        console.say(f"skip  {len(skipped)}")
        for reason in _reasons(skipped):
            console.say(f"      {reason}")
    if passed:
        console.say(f"pass  {len(passed)}", fg=COLOURS[Status.PASS])


def _show(each: ClauseResult) -> None:
    console.say(f"{each.status.value:<5} {each.id:<9} {each.title}", fg=COLOURS[each.status])
    if each.cause and each.status is not Status.SKIP:
        console.say(f"      knock-on of {each.cause}")
    if each.message:
        console.say("      " + each.message.replace("\n", "\n      "))


def _reasons(skipped: Sequence[ClauseResult]) -> list[str]:
    """Why clauses were skipped, the most common reason first: `2 not promised (efa, tuning)`."""
    groups: dict[str, list[str]] = {}
    for each in skipped:
        reason = each.skip.reason if each.skip else each.message
        feature = each.skip.about if each.skip and each.skipped_for(SkipKind.FEATURE) else ""
        groups.setdefault(reason or "no reason", []).append(feature)
    lines = []
    for reason, features in sorted(groups.items(), key=lambda group: -len(group[1])):
        words = ", ".join(sorted({*features} - {""}))
        lines.append(f"{len(features)} {reason}" + (f" ({words})" if words else ""))
    return lines


def verdict(found: Report) -> dict[str, object]:
    """A report as JSON."""
    return {
        "image": found.image,
        "digest": found.digest,
        "profile": found.profile,
        "purpose": found.purpose and found.purpose.value,
        "platform": found.platform,
        "verdict": verdicts.of(found).value,
        "untried": verdicts.untried(found),
        "causes": [
            {
                "id": each.id,
                "follows": [other.id for other in verdicts.followers(found, each)],
                "fix": each.hint,
            }
            for each in verdicts.causes(found)
        ],
        "clauses": [asdict(each) for each in found.clauses],
    }


def _print(outcome: Outcome) -> None:
    """Print each name of the image on stdout, one per line."""
    if (served := outcome.served) is not None:
        for location, digest_uri in zip(served.locations, served.digest_uris, strict=True):
            click.echo(location.uri)
            click.echo(digest_uri)
    elif outcome.staged is not None and outcome.error is None:
        for uri in outcome.staged.digest_uris:
            click.echo(uri)
    elif outcome.error is None:
        click.echo(outcome.target.image)


def _facts(outcome: Outcome, *, clauses: bool) -> dict[str, object]:
    facts: dict[str, object] = {"id": outcome.target.id, "status": outcome.status}
    if outcome.built is not None:
        facts |= {"image": outcome.target.image, "image_id": outcome.built.image_id}
    if outcome.already is not None:
        facts["tested_before"] = True
    if outcome.report is not None:
        facts["tested_before"] = outcome.tested_before
        facts["untried"] = verdicts.untried(outcome.report)
        if clauses:
            facts["report"] = verdict(outcome.report)
    if (published := outcome.served) is not None:
        facts |= {
            "uri": published.uri,
            "digest": published.digest,
            "digest_uri": published.digest_uris[0],
            "pushed": published.pushed,
            "locations": [
                {"uri": each.uri, "digest_uri": digest_uri, "pushed": each.pushed}
                for each, digest_uri in zip(published.locations, published.digest_uris, strict=True)
            ],
        }
    elif (staged := outcome.staged) is not None:
        facts |= {"digest": staged.digest, "digest_uris": staged.digest_uris}
    if (error := outcome.error) is not None:
        facts["error"] = {**error.facts, "message": error.message, "details": error.details}
    return facts


def summarize(asked: Asked, targets: Sequence[Target], outcomes: Sequence[Outcome]) -> None:
    """Say how a run over several targets ended, and the next command. Silent for one target."""
    if len(targets) < 2:  # noqa: PLR2004 - its own line says how it ended
        return
    words = [each.word for each in outcomes]
    words += ["not begun"] * (len(targets) - len(outcomes))
    count = Counter(words)
    counts = ", ".join(f"{number} {word}" for word, number in count.items())
    colour = next((OF_WORDS[word] for word in OF_WORDS if count[word]), "green")
    took = duration(time.monotonic() - asked.began)
    console.say(f"{len(targets)} targets: {counts} in {took}", fg=colour, bold=True)
    console.say(f"hint: {_next(asked, targets, outcomes)}", fg="cyan")


def duration(seconds: float) -> str:
    """`12 s`, `3 min 20 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    minutes, rest = divmod(whole, MINUTE)
    if minutes < MINUTE:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    return f"{minutes // MINUTE} h {minutes % MINUTE} min"


def _next(asked: Asked, targets: Sequence[Target], outcomes: Sequence[Outcome]) -> str:
    done = {each.target.id for each in outcomes if each.error is None}
    left = [each.id for each in targets if each.id not in done]
    if left:
        named = shlex.join(left) if len(left) <= NAMED else asked.selection
        return f"fix the failed targets, then `buildkit {asked.command} {named}`"
    if any(each.served is not None for each in outcomes):
        return "`buildkit releases` shows what was published"
    return f"`buildkit push {asked.selection}` publishes the images"
