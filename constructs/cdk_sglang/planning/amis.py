"""Checks whether the instance types of a pool can run an image, and chooses the AMI that they share."""

from __future__ import annotations

from cdk_sglang.hardware import ami_problems, inference_ami_for
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.image_facts import ImageFacts


def chosen_ami(capacity: Capacity, facts: ImageFacts) -> str | None:
    """Return the AMI of the first instance type that needs an explicit one; None if the default AMI of every type is suitable."""
    amis = (inference_ami_for(instance, facts.cuda, facts.compute_capabilities) for instance in capacity.instances)
    return next((ami.name for ami in amis if ami is not None), None)


def pool_ami_problems(capacity: Capacity, facts: ImageFacts, requested: str | None = None) -> list[str]:
    """Return why instance types of the pool cannot run the image.

    Args:
        capacity: The pool.
        facts: CUDA version and GPUs that the image was built for.
        requested: `InferenceAmiVersion` as specified. Default: the one that `chosen_ami` returns.
    """
    problems = [
        problem
        for instance in capacity.instances
        for problem in ami_problems(instance, facts.cuda, facts.compute_capabilities, requested)
    ]
    shared = chosen_ami(capacity, facts)
    if problems or requested is not None or shared is None:
        return problems
    return [
        f"{problem}; types of a pool share one AMI, take {instance.name} out of this one"
        for instance in capacity.instances
        for problem in ami_problems(instance, facts.cuda, facts.compute_capabilities, shared)
    ]
