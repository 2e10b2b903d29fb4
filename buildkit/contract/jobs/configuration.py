"""Clauses of a training job's configuration, judged by varying a good run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.contract.checks import Broken, Doubtful, Unseen, check
from buildkit.contract.jobs import variants, variations
from buildkit.contract.jobs.variations import blame
from buildkit.contract.signs import Sign

if TYPE_CHECKING:
    from buildkit.contract.jobs.training_runs import Run
    from buildkit.contract.jobs.variations import Bundle, Variant

ODD = variations.of(
    "`train` on the samples, with an unusual job",
    (*variants.UNUSUAL_JOB, *variants.UNUSUAL_CHANNELS),
)


@check("CFG-02", ODD, decides=True)
def knows_both_encodings(seen: Bundle) -> None:
    """With text hyperparameters in JSON's quotes or bare, `train` passes and drops the quotes."""
    quoted = _quoted(seen.good(variants.encoded)) - _quoted(seen.plain)
    if quoted:
        raise Broken(f"with {variants.encoded.title} `train` wrote /opt/ml/{min(quoted)}")


@check("CFG-03", ODD, decides=True)
def bears_reserved_names(seen: Bundle) -> None:
    """All reserved hyperparameters, in the form of the SDK, do no harm."""
    run = seen.run(variants.reserved)
    if not run.good and seen.alone(variants.reserved_local).good:
        names = ", ".join(variants.NEEDS_AWS)
        evidence = f"with {names} `train` {run.evidence}\nit may lack credentials"
        raise Doubtful(evidence, *run.signs)
    seen.good(variants.reserved)


@check("CFG-03", ODD)
def bears_unknown_names(seen: Bundle) -> None:
    """An unknown hyperparameter, short or long, passes or is refused with a reason."""
    run = seen.run(variants.unknown)
    _bears_size(seen, variants.unknown)
    if not run.good and not reason(run):
        raise Doubtful(
            f"with {variants.unknown.title} `train` {run.evidence}\nand wrote no reason",
            *run.signs,
        )
    if crash := crashed(run):
        raise Doubtful(f"with {variants.unknown_short.title} `train` crashes: {crash}")


@check("CFG-01", ODD, decides=True)
def bears_long_values(seen: Bundle) -> None:
    """A value of 2500 characters works if a short one does."""
    _bears_size(seen, variants.unknown)


@check("CFG-01", ODD)
def bears_many_hyperparameters(seen: Bundle) -> None:
    """100 hyperparameters, one name of 256 characters, work if a short unknown one does."""
    _bears_size(seen, variants.many)


def _bears_size(seen: Bundle, variant: Variant) -> None:
    """Raises Broken if a run fails that succeeds with a short hyperparameter."""
    run = seen.run(variant)
    if not run.good and seen.alone(variants.unknown_short).good:
        title = f"{variant.title}, all of which is allowed,"
        blame(seen.plain, run, title, Sign.LONG_VALUE)


@check("CFG-04", ODD, decides=True)
def bears_fast_file(seen: Bundle) -> None:
    """TrainingInputMode FastFile and an unknown key for each channel."""
    seen.good(variants.fast_file)


@check("CFG-04", ODD, gap="no channel with a ContentType was tried")
def bears_content_types(seen: Bundle) -> None:
    """A ContentType for each channel, guessed from the names of its files."""
    seen.fair(variants.typed)


@check("CFG-05", ODD, decides=True)
def bears_other_names(seen: Bundle) -> None:
    """The host is algo-1-ab12c, which gethostname() does not return; its interface is eth1."""
    seen.good(variants.renamed)


@check("CFG-06", ODD)
def bears_more_files(seen: Bundle) -> None:
    """Undocumented files in /opt/ml/input/config, one of them binary."""
    seen.good(variants.junk)


@check("DATA-01", ODD)
def bears_channel_names(seen: Bundle) -> None:
    """A further channel `my-Data.v1_xxx...`, 64 characters, with the data of the first."""
    run = seen.run(variants.named)
    if not run.good and not seen.alone(variants.plainly_named).good:
        raise Unseen("`train` accepts no further channel, whatever its name")
    seen.good(variants.named)


@check("DATA-02", ODD, decides=True)
def bears_manifests(seen: Bundle) -> None:
    """A file <channel>-manifest beside each channel."""
    seen.good(variants.manifests)


@check("DATA-02", ODD, gap="no empty folder in a channel was tried")
def bears_folders(seen: Bundle) -> None:
    """An empty folder in each channel that holds only files."""
    seen.fair(variants.empty_folders)


@check("DATA-08", ODD)
def skips_unknown_channels(seen: Bundle) -> None:
    """Further channels `code` and `sm_drivers` with a file that is not data."""
    seen.good(variants.sdk_channels)


@check("ENV-03", ODD)
def bears_no_region(seen: Bundle) -> None:
    """No AWS_REGION is set."""
    seen.good(variants.no_region)


@check("ENV-05", ODD)
def bears_an_empty_cache(seen: Bundle) -> None:
    """The variable of a warm pool's cache is set, and names a folder that is still empty."""
    run = seen.run(variants.cached)
    blame(seen.plain, run, variants.cached.title, Sign.CACHED)


@check("TREE-02", ODD)
def makes_its_folders(seen: Bundle) -> None:
    """/opt/ml/output/data and other optional folders do not exist."""
    seen.good(variants.sparse)


@check("TREE-05", ODD)
def bears_real_modes(seen: Bundle) -> None:
    """The folder /opt/ml/input/config has the mode 0644, as in a real job."""
    seen.good(variants.modes)


@check("IMG-05", ODD)
def trains_as_root(seen: Bundle) -> None:
    """`train` can enter /opt/ml/input/config with mode 0644, as only root can."""
    run = seen.run(variants.modes)
    if not run.good and Sign.NOT_ROOT not in run.signs:
        raise Unseen("with this mode `train` fails, but not for lack of access (TREE-05)")
    seen.good(variants.modes)


@check("LOG-03", ODD, gap="no secret variable was tried")
def keeps_variables_secret(seen: Bundle) -> None:
    """The value of the variable DB_PASSWORD is not in the log."""
    _look_for(variants.SECRET_VARIABLE, seen, variants.secretive)


@check("LOG-03", ODD, gap="no secret hyperparameter was tried")
def keeps_hyperparameters_secret(seen: Bundle) -> None:
    """The value of the hyperparameter db_password is not in the log."""
    _look_for(variants.SECRET_HYPERPARAMETER, seen, variants.unknown)


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
        at = line.index(value)
        around = line[max(at - 60, 0) : at + len(value)]
        raise Broken(f"the value of {name} is in the log: {around!r}")


def _line_with(value: str, run: Run) -> str:
    return next((line for line in run.said if value in line), "")
