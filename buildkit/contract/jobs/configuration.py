"""Clauses of a training job's configuration, judged by varying a good run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.jobs import channel_variations, job_variations, variations
from buildkit.contract.jobs.variations import blame

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.jobs.variations import Bundle, Variant

ODD = variations.of(
    "`train` on the samples, with an unusual job",
    (*job_variations.VARIANTS, *channel_variations.VARIANTS),
)


@check("CFG-02", ODD, decides=True)
def knows_both_encodings(seen: Bundle) -> None:
    """With text hyperparameters in JSON's quotes or bare, `train` passes and drops the quotes."""
    quoted = _quoted(seen.good(job_variations.ENCODED)) - _quoted(seen.plain)
    if quoted:
        raise Broken(f"with {job_variations.ENCODED.title} `train` wrote /opt/ml/{min(quoted)}")


@check("CFG-03", ODD, decides=True)
def bears_reserved_names(seen: Bundle) -> None:
    """All reserved hyperparameters, in the form of the SDK, do no harm."""
    run = seen.run(job_variations.RESERVED)
    if not run.good and seen.alone(job_variations.RESERVED_LOCAL).good:
        names = ", ".join(job_variations.NEEDS_AWS)
        evidence = f"with {names} `train` {run.evidence}\nit may lack credentials"
        raise Doubtful(evidence, *run.signs)
    seen.good(job_variations.RESERVED)


@check("CFG-03", ODD)
def bears_unknown_names(seen: Bundle) -> None:
    """An unknown hyperparameter, short or long, passes or is refused with a reason."""
    run = seen.run(job_variations.UNKNOWN)
    _bears_size(seen, job_variations.UNKNOWN)
    if not run.good and not reason(run):
        raise Doubtful(
            f"with {job_variations.UNKNOWN.title} `train` {run.evidence}\nand wrote no reason",
            *run.signs,
        )
    if crash := crashed(run):
        raise Doubtful(f"with {job_variations.UNKNOWN_SHORT.title} `train` crashes: {crash}")


@check("CFG-01", ODD, decides=True)
def bears_long_values(seen: Bundle) -> None:
    """A value of 2500 characters works if a short one does."""
    _bears_size(seen, job_variations.UNKNOWN)


@check("CFG-01", ODD)
def bears_many_hyperparameters(seen: Bundle) -> None:
    """100 hyperparameters, one name of 256 characters, work if a short unknown one does."""
    _bears_size(seen, job_variations.MANY)


def _bears_size(seen: Bundle, variant: Variant) -> None:
    """Raises Broken if a run fails that succeeds with a short hyperparameter."""
    run = seen.run(variant)
    if not run.good and seen.alone(job_variations.UNKNOWN_SHORT).good:
        blame(seen.plain, run, f"{variant.title}, all of which is allowed,")


@check("CFG-04", ODD, decides=True)
def bears_fast_file(seen: Bundle) -> None:
    """TrainingInputMode FastFile and an unknown key for each channel."""
    seen.good(channel_variations.FAST_FILE)


@check("CFG-04", ODD, gap="no channel with a ContentType was tried")
def bears_content_types(seen: Bundle) -> None:
    """A ContentType for each channel, guessed from the names of its files."""
    run = seen.run(channel_variations.TYPED)
    if not run.good:
        raise Doubtful(f"with {channel_variations.TYPED.title} `train` {run.evidence}")


@check("CFG-05", ODD, decides=True)
def bears_other_names(seen: Bundle) -> None:
    """The host is algo-1-ab12c, which gethostname() does not return; its interface is eth1."""
    seen.good(job_variations.RENAMED)


@check("CFG-06", ODD)
def bears_more_files(seen: Bundle) -> None:
    """Undocumented files in /opt/ml/input/config, one of them binary."""
    seen.good(job_variations.JUNK)


@check("DATA-01", ODD)
def bears_channel_names(seen: Bundle) -> None:
    """A further channel `my-Data.v1_xxx...`, 64 characters, with the data of the first."""
    run = seen.run(channel_variations.NAMED)
    if not run.good and not seen.alone(channel_variations.PLAINLY_NAMED).good:
        raise Unseen("`train` accepts no further channel, whatever its name")
    seen.good(channel_variations.NAMED)


@check("DATA-02", ODD, decides=True)
def bears_manifests(seen: Bundle) -> None:
    """A file <channel>-manifest beside each channel."""
    seen.good(channel_variations.MANIFESTS)


@check("DATA-02", ODD, gap="no empty folder in a channel was tried")
def bears_folders(seen: Bundle) -> None:
    """An empty folder in each channel that holds only files."""
    run = seen.run(channel_variations.EMPTY_FOLDERS)
    if not run.good:
        raise Doubtful(f"with {channel_variations.EMPTY_FOLDERS.title} `train` {run.evidence}")


@check("DATA-08", ODD)
def skips_unknown_channels(seen: Bundle) -> None:
    """Further channels `code` and `sm_drivers` with a file that is not data."""
    seen.good(channel_variations.SDK_CHANNELS)


@check("ENV-03", ODD)
def bears_no_region(seen: Bundle) -> None:
    """No AWS_REGION is set."""
    seen.good(job_variations.NO_REGION)


@check("TREE-02", ODD)
def makes_its_folders(seen: Bundle) -> None:
    """/opt/ml/output/data and other optional folders do not exist."""
    seen.good(job_variations.SPARSE)


@check("TREE-05", ODD)
def bears_real_modes(seen: Bundle) -> None:
    """The folder /opt/ml/input/config has the mode 0644, as in a real job."""
    seen.good(job_variations.MODES)


@check("IMG-05", ODD)
def trains_as_root(seen: Bundle) -> None:
    """`train` can enter /opt/ml/input/config with mode 0644, as only root can."""
    seen.good(job_variations.MODES)


@check("LOG-03", ODD, gap="no secret variable was tried")
def keeps_variables_secret(seen: Bundle) -> None:
    """The value of the variable DB_PASSWORD is not in the log."""
    _look_for(job_variations.SECRET_VARIABLE, seen, job_variations.SECRETIVE)


@check("LOG-03", ODD, gap="no secret hyperparameter was tried")
def keeps_hyperparameters_secret(seen: Bundle) -> None:
    """The value of the hyperparameter db_password is not in the log."""
    _look_for(job_variations.SECRET_HYPERPARAMETER, seen, job_variations.UNKNOWN)


def reason(run: Run) -> str:
    """The text that a run wrote to /opt/ml/output/failure."""
    return (run.file("output/failure") or b"").decode("utf-8", "replace").strip()


CRASH = re.compile(
    r"\b(?:KeyError|TypeError|AttributeError|IndexError|NameError|UnboundLocalError|"
    r"ZeroDivisionError|StopIteration|RecursionError)\b[^\n]*"
)
"""The errors of a program that met an unexpected input."""


def crashed(run: Run) -> str:
    """The programming error in the reason of a failed run, empty if there is none."""
    found = None if run.good else CRASH.search(reason(run))
    return found[0][:200] if found else ""


def _quoted(run: Run) -> set[str]:
    return {each.name for each in run.tree or () if '"' in each.name}


def _look_for(secret: tuple[str, str], seen: Bundle, variant: Variant) -> None:
    """Raises Broken if a secret is in the log. A failed run may print what it refuses."""
    name, value = secret
    if not seen.run(variant).good:
        raise Unseen(f"`train` fails with {name}")
    if _line_with(value, seen.run(variant)) and (line := _line_with(value, seen.alone(variant))):
        raise Broken(f"the value of {name} is in the log: {_around(value, line)!r}")


def _line_with(value: str, run: Run) -> str:
    return next((line.text for line in run.lines if value in line.text), "")


def _around(value: str, line: str) -> str:
    at = line.index(value)
    return line[max(at - 60, 0) : at + len(value)]
