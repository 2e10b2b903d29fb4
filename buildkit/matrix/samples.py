"""A table of samples in images.toml -> Samples, with whole paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildkit.matrix import paths
from buildkit.model.target import Payload, Samples

if TYPE_CHECKING:
    from buildkit.config import schema
    from buildkit.config.problems import Problems
    from buildkit.config.toml import Where
    from buildkit.matrix.paths import Place


def of_table(place: Place, table: schema.SamplesTable, at: Where, problems: Problems) -> Samples:
    """The samples of `table`, which is written `at` there. Relative paths start at `place`."""
    wrong = table.objective and table.objective not in table.metrics
    if wrong and not problems.lacks_metrics():
        problems.add((*at, "objective"), f"{table.objective!r} is not one of the metrics")
    return Samples(
        hyperparameters=tuple(table.hyperparameters.items()),
        channels=tuple(
            (channel, str(place.folder / text)) for channel, text in table.channels.items()
        ),
        code=paths.whole(place, table.code),
        model=paths.whole(place, table.model),
        adapter=paths.whole(place, table.adapter),
        payloads=tuple(
            Payload(
                content_type=payload.content_type,
                accept=payload.accept,
                body=str(place.folder / payload.body),
                answer=paths.whole(place, payload.answer),
                headers=tuple(payload.headers.items()),
            )
            for payload in table.payload
        ),
        metrics=tuple(table.metrics.items()),
        objective=table.objective or None,
        startup_seconds=table.startup_seconds,
        environment=tuple(table.environment.items()),
    )
