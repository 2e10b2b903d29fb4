"""The URI of an image -> its parts, and what the data knows about the image.

An unknown registry, repository or tag does not change what is said about the rest.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from buildkit.model.hosts import has_registry, of_ecr, wrong_account
from buildkit.prebuilt import facts
from buildkit.prebuilt.naming import named
from buildkit.support.errors import UsageError
from buildkit.support.suggest import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildkit.prebuilt.facts import Entry, Region

URI = re.compile(
    r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]+)?)/(?P<repository>[a-z0-9._/-]*[a-z0-9])"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
PINNED = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:==?|@)(?P<version>[0-9][A-Za-z0-9._+-]*)"
"""A name with a version, as pip and npm write it."""
LONGEST = 1024
HUB = "docker.io"
"""Where Docker looks for an image whose name has no host (distribution/reference, "normalize")."""
PUBLIC = "public.ecr.aws"
GALLERY = "deep-learning-containers"
"""AWS's own alias in ECR Public: there repositories are called as in its private registries."""
GALLERY_FAMILY = "dlc"
"""The family of accounts that has those images."""
GALLERIES = {
    GALLERY: "AWS's gallery of Deep Learning Containers",
    "neuron": "AWS's gallery of Neuron",
    "sagemaker": "AWS's gallery of SageMaker",
}
"""AWS's own aliases in ECR Public with images for machine learning (gallery.ecr.aws)."""
DUAL_STACK = {"amazonaws.com": "on.aws", "amazonaws.com.cn": "on.amazonwebservices.com.cn"}
"""The end of dual-stack hosts, in partitions that have them."""


class Parts(NamedTuple):
    """A URI, taken apart. A URI outside ECR has no account and no region."""

    uri: str
    host: str
    account: str | None
    region: str | None
    domain: str | None
    dual_stack: bool
    repository: str
    tag: str | None
    digest: str | None


class Known(NamedTuple):
    """An image of the data that a URI names. `rest` is what its tag adds to the known tag."""

    entry: Entry
    version: str
    rest: str | None


def parse(text: str) -> Parts:
    """Raises UsageError. A name without a host is one of Docker Hub, as Docker reads it."""
    match = URI.fullmatch(_with_host(text)) if len(text) <= LONGEST else None
    if match is None:
        raise UsageError(
            f"`{shown(text)}` is not the URI of an image: HOST/REPOSITORY:TAG",
            hint=_spoilt_by(text)
            or "such as `763104351884.dkr.ecr.eu-west-1.amazonaws.com/"
            "pytorch-training:2.5.1-cpu-py311`",
        )
    ecr = of_ecr(match["host"])
    return Parts(
        uri=text,
        host=match["host"],
        account=ecr and ecr["account"],
        region=ecr and ecr["region"],
        domain=ecr and ecr["suffix"],
        dual_stack=ecr is not None and ecr["style"] == "-",
        repository=match["repository"],
        tag=match["tag"],
        digest=match["digest"],
    )


def _with_host(text: str) -> str:
    """A single word is returned unchanged: it may be the name of a target."""
    if has_registry(text) or _is_host(text):
        return text
    if "/" in text:
        return f"{HUB}/{text}"
    return f"{HUB}/library/{text}" if ":" in text or "@" in text else text


def _is_host(text: str) -> bool:
    """Whether a word, perhaps with a port or a tag, is the registry of an image without a name."""
    host = text.partition(":")[0]
    return host == PUBLIC or (of_ecr(host) or wrong_account(host)) is not None


def _spoilt_by(text: str) -> str | None:
    """What to remove from a text that is a URI otherwise."""
    bare = text.strip()
    if bare.startswith("-"):
        return f"write the URI after `--explain`: `buildkit uri --explain URI {shown(bare)}`"
    if URI.fullmatch(_with_host(bare)):
        return f"remove the spaces around the URI: `{bare}`"
    scheme, apart, rest = bare.partition("://")
    if apart and URI.fullmatch(rest) and "." in rest.partition("/")[0]:
        return f"remove `{scheme}://`: `{rest}`"
    lower = _with_lower_name(bare)
    if lower != bare and URI.fullmatch(_with_host(lower)):
        return f"names of repositories are in lower case: `buildkit uri --explain {lower}`"
    if _is_host(bare.rstrip("/")):
        return f"the repository is missing: `{bare.rstrip('/').partition(':')[0]}/REPOSITORY:TAG`"
    return _command_for(bare)


def _command_for(word: str) -> str | None:
    """The command for what may be the name of an image or target, or a name with a version."""
    if re.fullmatch(r"[a-z0-9._-]+", word):
        return f"to look up an image or a target of this project: `buildkit uri {shown(word)}`"
    if match := re.fullmatch(PINNED, word):
        asked = f"{match['name'].lower()} --version {match['version']}"
        return f"to look up an image of this project: `buildkit uri {shown(asked)}`"
    return None


def _with_lower_name(text: str) -> str:
    """The text without capitals before its tag or digest."""
    before, slash, last = text.rpartition("/")
    name = re.split("[:@]", last)[0]
    return f"{before}{slash}{name}".lower() + last[len(name) :]


def gallery(parts: Parts) -> str | None:
    """What AWS has below the alias of an image in ECR Public; None for the alias of others."""
    return GALLERIES.get(parts.repository.partition("/")[0]) if parts.host == PUBLIC else None


def gallery_name(parts: Parts) -> str | None:
    """The name in AWS's private registries of an image of its gallery in ECR Public.

    None for any other image, also for one that no private registry has by that name.
    """
    alias, _, name = parts.repository.partition("/")
    return name if parts.host == PUBLIC and alias == GALLERY and _of_gallery(name) else None


def images(parts: Parts) -> tuple[Entry, ...]:
    """The images of the data in the repository of AWS's that a URI names."""
    name = gallery_name(parts)
    return of_repository(parts.repository) if name is None else _of_gallery(name)


def _of_gallery(name: str) -> tuple[Entry, ...]:
    return tuple(each for each in of_repository(name) if each.family == GALLERY_FAMILY)


def is_of_aws(parts: Parts) -> bool:
    """Whether the registry is AWS's own: the name of an image in any other proves nothing."""
    return bool(parts.account and homes(parts.account)) or gallery(parts) is not None


def domain(region: Region, *, dual_stack: bool) -> str:
    """What the host of a registry ends with."""
    return DUAL_STACK.get(region.domain, region.domain) if dual_stack else region.domain


def repositories() -> tuple[str, ...]:
    """The names of all repositories of the data."""
    return tuple(dict.fromkeys(named(each)[0] for each in _entries()))


def families(parts: Parts) -> tuple[str, ...]:
    """The families of accounts that have this account, in any region."""
    return tuple(
        dict.fromkeys(
            family
            for region in facts.regions().values()
            for family, account in region.accounts.items()
            if account == parts.account
        )
    )


def homes(account: str) -> tuple[str, ...]:
    """The regions in which an account is AWS's for SageMaker's images."""
    regions = facts.regions().values()
    return tuple(each.name for each in regions if account in each.accounts.values())


def partition(parts: Parts) -> str | None:
    """From the region; for an unknown region from the domain, if that decides."""
    there = facts.regions().get(parts.region or "")
    if there is not None:
        return there.partition
    found = {each.partition for each in facts.regions().values() if each.domain == parts.domain}
    return found.pop() if len(found) == 1 else None


def known(parts: Parts) -> tuple[Known, ...]:
    """The images with this repository and tag, or those whose tag it extends; only the best."""
    found = tuple(_tagged(parts)) if parts.digest is None or parts.tag else ()
    least = min((len(each.rest or "") for each in found), default=0)
    best = [each for each in found if len(each.rest or "") == least]
    here = [each for each in best if each.entry.family in families(parts)]
    return tuple(here or best)


def of_repository(repository: str) -> tuple[Entry, ...]:
    return tuple(
        each
        for each in _entries()
        if repository == (named(each)[0] if "{" in each.repository else each.repository)
    )


def _tagged(parts: Parts) -> Iterator[Known]:
    for entry in of_repository(parts.repository):
        for version in entry.names:
            for base in entry.bases or (None,):
                for with_python in (False, True):
                    tag = named(entry, version, base, with_python=with_python)[1]
                    end = facts.ends().get(f"{entry.framework}:{tag}")
                    if parts.tag in (tag or None, f"{tag}-{end}"):
                        yield Known(entry, version, None)
                    elif tag and (parts.tag or "").startswith(f"{tag}-"):
                        yield Known(entry, version, (parts.tag or "")[len(tag) + 1 :])


def _entries() -> Iterator[Entry]:
    for framework in facts.frameworks():
        yield from facts.entries(framework)
