"""Shell completion: the words that a shell may offer for an option or argument.

A completion never raises: an error would be printed into the user's prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click
    from click.shell_completion import CompletionItem

    from buildkit.commands.scope import Scope
    from buildkit.ledger.record import Release

    Words = list[str | CompletionItem]
    Completion = Callable[[click.Context, click.Parameter, str], Words]

IMAGES = "images.toml"


def targets(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
    """Names of images, and ids of their targets."""
    from buildkit.matrix import matrix  # noqa: PLC0415 - only when a shell asks

    try:
        found = matrix.expand(_scope(context).config())
    except Exception:  # noqa: BLE001 - see above
        return []
    return _matching((*(each.name for each in found), *(each.id for each in found)), incomplete)


def locked(context: click.Context, parameter: click.Parameter, incomplete: str) -> Words:
    """Packages and bases of images.lock, images and targets."""
    from buildkit.lock import lockfile  # noqa: PLC0415 - only when a shell asks

    try:
        found = _scope(context).lock() or lockfile.Lock()
    except Exception:  # noqa: BLE001 - see above
        return []
    packages = map(lockfile.name_of, sorted(found.hashes))
    own = _matching((*packages, *sorted(found.bases)), incomplete)
    return [*targets(context, parameter, incomplete), *own]


def digests(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
    """Digests of the ledger, and the targets that stand for their newest image."""
    images = [image for release in _releases(context) for image in release.images]
    return _matching((*(i.digest for i in images), *(i.target for i in images)), incomplete)


def aliases(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
    """Aliases of the ledger, each with its repository."""
    moves = (move for release in _releases(context) for move in release.moves)
    return _matching((f"{each.repository}:{each.alias}" for each in moves), incomplete)


def clauses(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
    """Ids of the contract's clauses."""
    from buildkit.contract.clauses import clauses as known  # noqa: PLC0415 - only when a shell asks

    return _matching(known(), incomplete.upper())


def paths(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
    """Files, which the shell itself completes."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only when a shell asks

    return [CompletionItem(incomplete, type="file")]


def uri(name: str) -> Completion:
    """Values of one option of `buildkit uri` that fit the options given so far."""

    def words(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Words:
        from buildkit.uri import complete  # noqa: PLC0415 - only when a shell asks

        given = dict(context.params)
        given["file"] = given.get("file") or IMAGES
        # While an option still lacks its value, click does not assign TARGET.
        given["target"] = given.get("target") or next(iter(context.args), None)
        return [*complete.complete(name, given, incomplete)]

    return words


def _matching(words: Iterable[str], incomplete: str) -> Words:
    return [each for each in dict.fromkeys(words) if each.startswith(incomplete)]


def _releases(context: click.Context) -> tuple[Release, ...]:
    try:
        return _scope(context).ledger().read()
    except Exception:  # noqa: BLE001 - see above
        return ()


def _scope(context: click.Context) -> Scope:
    from pathlib import Path  # noqa: PLC0415 - only when a shell asks

    from buildkit.commands.scope import Scope  # noqa: PLC0415 - only when a shell asks

    file = Path(context.params.get("file") or IMAGES)
    return Scope(file=file, allow_outside=bool(context.params.get("allow_outside")))
