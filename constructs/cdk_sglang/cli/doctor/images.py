"""Images that are pulled: whether their registry has them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from botocore.exceptions import ClientError

from cdk_sglang.cli.doctor.account import Account, CouldNotCheckError, code_of
from cdk_sglang.cli.doctor.check import Check, Finding, failure, ok
from cdk_sglang.cli.image import NoImageError, look_up
from cdk_sglang.environments.account_needs import UNKNOWN_REGISTRY, ImageNeeds, Needs
from cdk_sglang.errors import ConfigurationError

_DIGITS: Final = 12


def checks(needs: Needs, account: Account, *, registry_url: str | None) -> Iterator[Check]:
    """Yield a check for each image.

    Args:
        needs: What the environment needs.
        account: The account.
        registry_url: Address of a mirror with Docker Hub's API; Docker Hub itself by default.
    """
    for image in needs.images:
        look = (
            partial(_in_docker_hub, image, registry_url)
            if image.registry == "docker"
            else partial(_in_ecr, image, account)
        )
        yield Check(name=f"image: {_short(image.name)}", look=look)


def _short(name: str) -> str:
    """Return an image's name with the first twelve digits of its digest."""
    reference, _, digest = name.partition("@sha256:")
    return f"{reference}@{digest[:_DIGITS]}" if digest else reference


def _in_ecr(image: ImageNeeds, account: Account) -> Finding:
    owner = image.registry or account.id
    where = f"registry {owner} in {account.region}"
    if owner == UNKNOWN_REGISTRY:
        raise CouldNotCheckError(
            f"the account of AWS's containers in {account.region} is not known here", "synth looks it up: make synth"
        )
    image_id = {"imageTag": image.tag} if image.digest is None else {"imageDigest": image.digest}
    try:  # the operation of a pull: AWS allows other accounts nothing else
        answer = account.call(
            "ecr", "batch_get_image", registryId=owner, repositoryName=image.repository, imageIds=[image_id]
        )
    except ClientError as error:
        if code_of(error) != "RepositoryNotFoundException":
            raise
        return failure(f"{where} has no repository {image.repository}", "correct the repository, or push the image")
    if not answer.get("images"):
        return failure(
            f"{where} has no {image.repository} of {image.digest or image.tag}",
            "correct the digest or tag of `image`, or push the image",
        )
    return ok(f"{where} has it: {answer['images'][0]['imageId'].get('imageDigest', image.digest)}")


def _in_docker_hub(image: ImageNeeds, registry_url: str | None) -> Finding:
    try:
        digest = look_up(image.name, registry_url=registry_url)
    except NoImageError as error:
        return failure(_text(error), "look up its present digest: cdk-sglang image pin")
    except ConfigurationError as error:
        raise CouldNotCheckError(_text(error), "check the network; builds pull it from AWS's network") from None
    return ok(f"Docker Hub has it: {digest}")


def _text(error: ConfigurationError) -> str:
    return "; ".join(problem.text for problem in error.problems)
