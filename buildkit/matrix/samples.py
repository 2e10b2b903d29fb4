"""`samples` as written in images.toml -> Samples, with whole paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.model.target import Payload, Samples

if TYPE_CHECKING:
    from buildkit.config.problems import Problems
    from buildkit.config.schema import SamplesTable
    from buildkit.config.toml import Where
    from buildkit.matrix.paths import Place


def of_table(place: Place, table: SamplesTable, at: Where, problems: Problems) -> Samples:
    """The samples of `table`, which is written `at` there. Relative paths start at `place`."""
    return Samples(
        hyperparameters=tuple(table.hyperparameters.items()),
        channels=tuple(
            (channel, str(place.folder / text)) for channel, text in table.channels.items()
        ),
        code=whole(place, table.code),
        model=whole(place, table.model),
        payloads=tuple(
            Payload(
                content_type=payload.content_type,
                accept=payload.accept,
                body=str(place.folder / payload.body),
                answer=whole(place, payload.answer),
                headers=tuple(payload.headers.items()),
            )
            for payload in table.payload
        ),
        metrics=tuple(table.metrics.items()),
        objective=_objective(table, (*at, "objective"), problems),
        startup_seconds=table.startup_seconds,
        environment=tuple(table.environment.items()),
    )


def whole(place: Place, text: str | None) -> str | None:
    """The path that `text` means in a project; None if there is no text."""
    return None if text is None else str(place.folder / text)


def _objective(table: SamplesTable, at: Where, problems: Problems) -> str | None:
    if table.objective is not None and table.objective not in table.metrics:
        problems.add(at, f"{table.objective!r} is not one of the metrics")
    return table.objective
