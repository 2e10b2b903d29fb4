"""Reads, creates and updates the repositories of one ECR registry."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.ecr import api, failures, policies, shapes
from buildkit.ecr.drift import Aspect, Found, drift
from buildkit.ecr.failures import StrangeError
from buildkit.support.addresses import quoted
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_ecr import ECRClient

    from buildkit.ecr.drift import Change
    from buildkit.ecr.places import Place
    from buildkit.ecr.shapes import Description, Document
    from buildkit.ecr.wanted import Wanted


@dataclass(frozen=True, kw_only=True)
class Repositories:
    """The repositories of one registry. It is no error if another process is quicker.

    All methods raise ToolError; the caller adds the name of the repository to its message.
    """

    place: Place

    @property
    def client(self) -> ECRClient:
        return api.client(self.place)

    @property
    def _registry(self) -> dict[str, Any]:
        """The account as a parameter of ECR's calls, if it is known."""
        return {"registryId": self.place.account} if self.place.account else {}

    def ensure(self, wanted: Wanted) -> bool:
        """Create the repository if it is missing; an existing one is not changed.

        Returns whether it was created.
        """
        try:
            with failures.translated("checking whether the repository exists"):
                missing = self._describe(wanted.name) is None
            return missing and self.create(wanted)
        except ToolError as error:
            raise ToolError(f"repository `{wanted.name}`: {error}", hint=error.hint) from error

    def read(self, name: str) -> Found | None:
        """A repository, None if not found."""
        with failures.translated("reading the repository"):
            shown = self._describe(name)
            if shown is None:
                return None
            try:
                answer = self.client.list_tags_for_resource(resourceArn=shown.arn)
                lifecycle, policy = self._lifecycle(name), self._policy(name)
            except self.client.exceptions.RepositoryNotFoundException:
                return None
            tags = failures.read(shapes.Tags, answer).tags
            return _found(shown, tuple((tag.key, tag.value) for tag in tags), lifecycle, policy)

    def create(self, wanted: Wanted) -> bool:
        """Create a repository with all its settings. False, and no change, if it already exists."""
        encryption: dict[str, Any] = {"encryptionType": wanted.table.encryption}
        if wanted.table.kms_key is not None:
            encryption["kmsKey"] = wanted.table.kms_key
        with (
            failures.translated("creating the repository"),
            suppress(self.client.exceptions.RepositoryAlreadyExistsException),
        ):
            made = self.client.create_repository(
                repositoryName=wanted.name,
                imageScanningConfiguration={"scanOnPush": wanted.table.scan_on_push},
                encryptionConfiguration=encryption,  # type: ignore[arg-type] # the config allows ECR's values only
                tags=_tags(wanted),
                **_mutability(wanted),
                **self._registry,
            )
            shown = _called(wanted.name, failures.read(shapes.Created, made).repository)
            found = _found(shown, wanted.tags)
            self.update(wanted, found, drift(wanted, found))
            return True
        return False

    def update(self, wanted: Wanted, found: Found, changes: Sequence[Change]) -> None:
        """Make these changes to a repository. Nothing happens if it was deleted meanwhile."""
        for change in changes:
            with (
                failures.translated(f"changing {change.aspect.value}"),
                suppress(self.client.exceptions.RepositoryNotFoundException),
            ):
                self._change(change.aspect, wanted, found)

    def _change(self, aspect: Aspect, wanted: Wanted, found: Found) -> None:
        named = {"repositoryName": wanted.name, **self._registry}
        match aspect:
            case Aspect.MUTABILITY:
                self.client.put_image_tag_mutability(**named, **_mutability(wanted))
            case Aspect.SCAN:
                self.client.put_image_scanning_configuration(
                    **named, imageScanningConfiguration={"scanOnPush": wanted.table.scan_on_push}
                )
            case Aspect.LIFECYCLE:
                rules = policies.rules(wanted.table, found.lifecycle)
                text = policies.lifecycle_with(found.lifecycle, rules)
                if text is not None:
                    self.client.put_lifecycle_policy(**named, lifecyclePolicyText=text)
                else:
                    with suppress(self.client.exceptions.LifecyclePolicyNotFoundException):
                        self.client.delete_lifecycle_policy(**named)
            case Aspect.POLICY:
                statements = policies.statements(wanted.table, found.partition)
                text = policies.policy_with(found.policy, statements)
                if text is not None:
                    self.client.set_repository_policy(**named, policyText=text)
                else:
                    with suppress(self.client.exceptions.RepositoryPolicyNotFoundException):
                        self.client.delete_repository_policy(**named)
            case Aspect.TAGS:
                self.client.tag_resource(resourceArn=found.arn, tags=_tags(wanted))
            case Aspect.ENCRYPTION:
                pass  # ECR has no call for it

    def _describe(self, name: str) -> Description | None:
        """A repository as ECR shows it, None if not found."""
        with suppress(self.client.exceptions.RepositoryNotFoundException):
            found = self.client.describe_repositories(repositoryNames=[name], **self._registry)
            (shown,) = failures.read(shapes.Repositories, found).repositories
            return _called(name, shown)
        return None

    def _lifecycle(self, name: str) -> Document | None:
        with suppress(self.client.exceptions.LifecyclePolicyNotFoundException):
            found = self.client.get_lifecycle_policy(repositoryName=name, **self._registry)
            with _readable("lifecycle policy", "get-lifecycle-policy", name):
                return shapes.lifecycle(failures.read(shapes.LifecycleText, found).text)
        return None

    def _policy(self, name: str) -> Document | None:
        with suppress(self.client.exceptions.RepositoryPolicyNotFoundException):
            found = self.client.get_repository_policy(repositoryName=name, **self._registry)
            with _readable("repository policy", "get-repository-policy", name):
                return shapes.policy(failures.read(shapes.PolicyText, found).text)
        return None


@contextmanager
def _readable(what: str, command: str, name: str) -> Iterator[None]:
    """Turn ValueError into an error that says which policy cannot be read, and how to see it."""
    try:
        yield
    except ValueError as error:
        raise ToolError(
            f"the {what} cannot be read: {error}",
            hint=f"fix or delete that policy: `aws ecr {command} --repository-name {name}` shows "
            "it",
        ) from error


def _called(name: str, shown: Description) -> Description:
    """The same repository. Raises StrangeError if it is another one."""
    if shown.name != name:
        found = f"repositoryName: {quoted(shown.name)} instead of {quoted(name)}"
        raise StrangeError(service="ECR", found=found)
    return shown


def _found(
    shown: Description,
    tags: tuple[tuple[str, str], ...],
    lifecycle: Document | None = None,
    policy: Document | None = None,
) -> Found:
    encryption = shown.encryption or shapes.Encryption()
    return Found(
        arn=shown.arn,
        mutability=shown.mutability,
        filters=tuple(each.text for each in shown.filters or ()),
        scan_on_push=(shown.scanning or shapes.Scanning()).on_push,
        encryption=encryption.kind,
        kms_key=encryption.key,
        tags=tags,
        lifecycle=lifecycle,
        policy=policy,
    )


def _mutability(wanted: Wanted) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": each} for each in wanted.filters]
    found: dict[str, Any] = {"imageTagMutability": wanted.mutability}
    return {**found, "imageTagMutabilityExclusionFilters": filters} if filters else found


def _tags(wanted: Wanted) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in wanted.tags]
