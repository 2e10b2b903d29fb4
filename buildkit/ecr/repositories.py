"""Reads, creates and updates the repositories of one ECR registry."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildkit.ecr import api, policies
from buildkit.ecr.drift import Aspect, Found, drift
from buildkit.support.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ecr import ECRClient

    from buildkit.ecr.drift import Change
    from buildkit.ecr.places import Place
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
            with api.translated("checking whether the repository exists"):
                missing = self._describe(wanted.name) is None
            return missing and self.create(wanted)
        except ToolError as error:
            raise ToolError(f"repository `{wanted.name}`: {error}", hint=error.hint) from error

    def read(self, name: str) -> Found | None:
        """A repository, None if not found."""
        with api.translated("reading the repository"):
            shown = self._describe(name)
            if shown is None:
                return None
            try:
                tags = self.client.list_tags_for_resource(resourceArn=shown["repositoryArn"])
                lifecycle, policy = self._lifecycle(name), self._policy(name)
            except self.client.exceptions.RepositoryNotFoundException:
                return None
            pairs = tuple((tag["Key"], tag["Value"]) for tag in tags["tags"])
            return _found(shown, pairs, lifecycle, policy)

    def create(self, wanted: Wanted) -> bool:
        """Create a repository with all its settings. False, and no change, if it already exists."""
        encryption: dict[str, Any] = {"encryptionType": wanted.table.encryption}
        if wanted.table.kms_key is not None:
            encryption["kmsKey"] = wanted.table.kms_key
        with (
            api.translated("creating the repository"),
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
            found = _found(made["repository"], wanted.tags)
            self.update(wanted, found, drift(wanted, found))
            return True
        return False

    def update(self, wanted: Wanted, found: Found, changes: Sequence[Change]) -> None:
        """Make these changes to a repository. Nothing happens if it was deleted meanwhile."""
        for change in changes:
            with (
                api.translated(f"changing {change.aspect.value}"),
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

    def _describe(self, name: str) -> Any:
        """A repository as ECR shows it, None if not found."""
        with suppress(self.client.exceptions.RepositoryNotFoundException):
            found = self.client.describe_repositories(repositoryNames=[name], **self._registry)
            return found["repositories"][0]
        return None

    def _lifecycle(self, name: str) -> str | None:
        with suppress(self.client.exceptions.LifecyclePolicyNotFoundException):
            found = self.client.get_lifecycle_policy(repositoryName=name, **self._registry)
            return found["lifecyclePolicyText"]
        return None

    def _policy(self, name: str) -> str | None:
        with suppress(self.client.exceptions.RepositoryPolicyNotFoundException):
            found = self.client.get_repository_policy(repositoryName=name, **self._registry)
            return found["policyText"]
        return None


def _found(
    shown: Any,
    tags: tuple[tuple[str, str], ...],
    lifecycle: str | None = None,
    policy: str | None = None,
) -> Found:
    encryption = shown.get("encryptionConfiguration", {})
    filters = shown.get("imageTagMutabilityExclusionFilters") or ()
    return Found(
        arn=shown["repositoryArn"],
        mutability=shown["imageTagMutability"],
        filters=tuple(each["filter"] for each in filters),
        scan_on_push=shown.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=encryption.get("encryptionType", "AES256"),
        kms_key=encryption.get("kmsKey"),
        tags=tags,
        lifecycle=_document(lifecycle, "rules"),
        policy=_document(policy, "Statement"),
    )


def _document(text: str | None, key: str) -> dict[str, Any] | None:
    """A lifecycle or a policy. Raises LookupError for what ECR would not keep."""
    if not text:
        return None
    found = json.loads(text)
    parts = found.get(key, []) if isinstance(found, dict) else None
    listed = [parts] if isinstance(parts, dict) and key == "Statement" else parts
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise LookupError(key)
    return {**found}


def _mutability(wanted: Wanted) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": each} for each in wanted.filters]
    found: dict[str, Any] = {"imageTagMutability": wanted.mutability}
    return {**found, "imageTagMutabilityExclusionFilters": filters} if filters else found


def _tags(wanted: Wanted) -> list[Any]:
    return [{"Key": key, "Value": value} for key, value in wanted.tags]
