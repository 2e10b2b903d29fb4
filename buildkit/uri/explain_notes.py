"""The notes of `--explain`: where the image is, and what is wrong with its URI."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildkit.model.hosts import ACCOUNT_DIGITS, has_registry, wrong_account
from buildkit.prebuilt import facts, reverse
from buildkit.prebuilt.naming import DEVICES, named, newest_first
from buildkit.support.suggest import listed, near_names, near_to
from buildkit.uri import guess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildkit.prebuilt.facts import Entry, Region
    from buildkit.prebuilt.reverse import Known, Parts

CUDA = re.compile(r"cu[0-9]+")
ELSEWHERE = ("ec2", "e3")
"""Suffixes of AWS's tags for EC2, ECS and EKS."""


def on_others(parts: Parts, *, is_read: bool) -> Iterator[str]:
    """For an image in a registry that is neither AWS's nor in the ledger, if that could be read."""
    if parts.host == reverse.PUBLIC:
        yield f"{parts.host} is ECR Public; the owner of the image is unknown"
    elif (account := wrong_account(parts.host)) is not None:
        yield (
            f"{parts.host} is not a registry of ECR: an AWS account has {ACCOUNT_DIGITS} digits, "
            f"and `{account}` has {len(account)}"
        )
    elif parts.account is None:
        yield f"{parts.host} is not a registry of ECR; its images are unknown"
        if not has_registry(parts.uri):
            yield (
                "the name has no registry: Docker looks for the image on this machine, then on "
                "Docker Hub; SageMaker needs a URI of ECR, as `buildkit uri TARGET` prints"
            )
    else:
        yield from _on_region(parts)
        whether = "the image is not in the ledger" if is_read else "the ledger cannot be read"
        yield f"the account is not one of AWS's for SageMaker, and {whether}"


def on_aws(parts: Parts, known: Sequence[Known], entries: Sequence[Entry]) -> Iterator[str]:
    """For an image in a registry of AWS's: `known` by its tag, `entries` by its repository."""
    if parts.account is None:
        yield _on_gallery(parts, entries)
    else:
        yield from _on_region(parts)
        if parts.region in facts.regions():
            yield from _on_account(parts, known, entries)
    if not known and entries and parts.tag is not None:
        found = _tags_near(parts.tag, entries)
        yield f"not verified: the data has no tag `{parts.tag}` of this repository; {found}"
    elif not entries and parts.account is not None:
        near = near_names(parts.repository, reverse.repositories())
        end = f"; {listed('did you mean', near)}" if near else ""
        yield f"{facts.source()} has no repository `{parts.repository}`; AWS may have one{end}"
    if known and known[0].rest:
        yield _on_end(parts.tag or "", known)
    elif not known:
        yield from map(_elsewhere, sorted({*ELSEWHERE} & {*(parts.tag or "").split("-")}))
    frameworks = dict.fromkeys(each.framework for each in entries)
    if len(frameworks) > 1:
        yield listed("the repository has images of several frameworks", tuple(frameworks))


def _tags_near(tag: str, entries: Sequence[Entry]) -> str:
    """The tags of the same version, or similar ones, or else all: the newest first."""
    order = newest_first(each.names[0] for each in entries)
    newest = sorted(entries, key=lambda each: order.index(each.names[0]))
    version = guess.image(tag, entries).version
    same = tuple(dict.fromkeys(named(each)[1] for each in newest if version in each.names))
    if same:
        return listed("did you mean", near_names(tag, same) or same)
    return near_to(tag, tuple(dict.fromkeys(named(each)[1] for each in newest)))


def _on_region(parts: Parts) -> Iterator[str]:
    there = facts.regions().get(parts.region or "")
    if there is None:
        near = near_names(parts.region or "", tuple(facts.regions()))
        end = f"; {listed('did you mean', near)}" if near else ""
        yield f"{facts.source()} has no SageMaker images in {parts.region}{end}"
    elif parts.domain != (domain := reverse.domain(there, dual_stack=parts.dual_stack)):
        yield f"wrong host: in {there.name} the host ends with {domain}"


def _on_account(parts: Parts, known: Sequence[Known], entries: Sequence[Entry]) -> Iterator[str]:
    """One sentence, if the image is not where the URI says."""
    there = facts.regions()[parts.region or ""]
    images = [each.entry for each in known] or entries
    right = {there.accounts[each.family]: None for each in images if there.name in each.regions}
    homes = reverse.homes(parts.account or "")
    elsewhere = (
        "" if there.name in homes else f"; {listed(f'account {parts.account} is in', homes)}"
    )
    if parts.account in right:
        return
    if right:
        what = "image" if known and not known[0].rest else "repository"
        uris = " or ".join(f"`{_uri(parts, there, each, known=bool(known))}`" for each in right)
        yield (
            f"in {there.name} AWS has this {what} in another account, {' or '.join(right)}: "
            f"{uris}{elsewhere}"
        )
    elif images:
        yield f"{facts.source()} does not have this image in {there.name}"
    elif elsewhere:
        yield f"in {there.name} AWS has other accounts{elsewhere}"


def _uri(parts: Parts, there: Region, account: str, *, known: bool) -> str:
    """The URI in another account; without the tag, if that is unknown."""
    tag = f":{parts.tag}" if parts.tag and known else ""
    return (
        f"{there.host(account)}/{parts.repository}{tag}{f'@{parts.digest}' if parts.digest else ''}"
    )


def _on_gallery(parts: Parts, entries: Sequence[Entry]) -> str:
    gallery = reverse.gallery(parts)
    if entries:
        return (
            f"{gallery} in ECR Public; SageMaker pulls the repository "
            f"`{reverse.gallery_name(parts)}` of AWS's private registries"
        )
    return f"{gallery} in ECR Public; {facts.source()} has no image of that name"


def _on_end(tag: str, known: Sequence[Known]) -> str:
    """A suffix that the data does not have may be invented, or belong to another machine."""
    rest = known[0].rest or ""
    devices = [each.entry.device for each in known if each.entry.device]
    start = tag.removesuffix(f"-{rest}")
    doubts = [
        _elsewhere(word)
        if word in ELSEWHERE
        else f"`{word}` does not belong to an image for {' or '.join(dict.fromkeys(devices))}"
        for word in rest.split("-")
        if word in ELSEWHERE
        or (word in DEVICES and devices and word not in devices)
        or (CUDA.fullmatch(word) and {*devices} == {"cpu"})
    ]
    said = f"not verified: the data has `{start}`, but not the tag suffix `{rest}`"
    return "; ".join((said, *doubts))


def _elsewhere(word: str) -> str:
    return f"`{word}` marks images for EC2, ECS and EKS, not for SageMaker"
