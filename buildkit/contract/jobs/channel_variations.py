"""Unusual channels of an otherwise good job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildkit.contract.checks import Unsampled
from buildkit.contract.jobs import training_job
from buildkit.contract.jobs.variations import Variant

if TYPE_CHECKING:
    from buildkit.contract.checks import Unseen
    from buildkit.contract.jobs.training_job import Channel, Job

CONTENT_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
}


def lacks_channel(work: Job) -> Unseen | None:
    return None if work.channels else Unsampled("no channel is declared")


def _state(work: Job, **facts: str) -> Job:
    channels = (replace(each, facts={**each.facts, **facts}) for each in work.channels)
    return replace(work, channels=tuple(channels))


def content_type(channel: Channel) -> str | None:
    """The content type by the names of a channel's files, None if they differ or are unknown."""
    path = channel.path or Path()
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    found = {CONTENT_TYPES.get(each.suffix.lower()) for each in files}
    return found.pop() if len(found) == 1 else None


def _type(work: Job) -> Job:
    return replace(
        work,
        channels=tuple(
            replace(each, facts={**each.facts, "ContentType": found})
            if (found := content_type(each))
            else each
            for each in work.channels
        ),
    )


def _lacks_type(work: Job) -> Unseen | None:
    typed = any(content_type(each) for each in work.channels)
    return (
        lacks_channel(work)
        if typed or not work.channels
        else Unsampled("no channel of the samples shows its content type")
    )


def _more_channels(work: Job, *names: str) -> Job:
    more = tuple(replace(work.channels[0], name=name) for name in names)
    return replace(work, channels=(*work.channels, *more))


def _sdk_channels(work: Job) -> Job:
    taken = {each.name for each in work.channels}
    names = [name for name in ("code", "sm_drivers") if name not in taken]
    more = tuple(training_job.Channel(name=name, path=None) for name in names)
    notes = tuple(
        (f"input/data/{name}/notes.txt", b"This is\nno training\ndata.\n") for name in names
    )
    return replace(work, channels=(*work.channels, *more), files=(*work.files, *notes))


def _manifests(work: Job) -> Job:
    content = b'[{"prefix": "s3://amzn-s3-demo-bucket/data/"}, "part-0"]'
    files = tuple((f"input/data/{each.name}-manifest", content) for each in work.channels)
    return replace(work, files=(*work.files, *files))


def _empty_folders(work: Job) -> Job:
    more = tuple(f"input/data/{each.name}/empty-folder" for each in work.channels if _flat(each))
    return replace(work, folders=(*work.folders, *more))


def _flat(channel: Channel) -> bool:
    """Whether a channel has no sub-folders: if they mean something, an empty one may be invalid."""
    path = channel.path or Path()
    return path.is_dir() and not any(each.is_dir() for each in path.rglob("*"))


def _lacks_flat(work: Job) -> Unseen | None:
    flat = any(map(_flat, work.channels))
    return (
        lacks_channel(work)
        if flat or not work.channels
        else Unsampled("no channel of the samples is a flat folder")
    )


FAST_FILE = Variant(
    title="the input mode FastFile and an unknown key for each channel",
    change=lambda work: _state(work, TrainingInputMode="FastFile", UnknownKey="unknown"),
    lacks=lacks_channel,
)
TYPED = Variant(title="a ContentType for each channel", change=_type, lacks=_lacks_type)
LONGEST_NAME = "my-Data.v1_".ljust(64, "x")
NAMED = Variant(
    title=f"a further channel `{LONGEST_NAME}`",
    change=lambda work: _more_channels(work, LONGEST_NAME),
    lacks=lacks_channel,
)
PLAINLY_NAMED = Variant(
    title="a further channel `extra`", change=lambda work: _more_channels(work, "extra")
)
MANIFESTS = Variant(
    title="a file <channel>-manifest beside each channel", change=_manifests, lacks=lacks_channel
)
EMPTY_FOLDERS = Variant(
    title="an empty folder in each channel", change=_empty_folders, lacks=_lacks_flat
)
SDK_CHANNELS = Variant(
    title="the SDK's channels `code` and `sm_drivers`", change=_sdk_channels, lacks=lacks_channel
)
VARIANTS = (FAST_FILE, TYPED, NAMED, MANIFESTS, EMPTY_FOLDERS, SDK_CHANNELS)
