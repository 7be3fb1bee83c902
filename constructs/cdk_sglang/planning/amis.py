"""Whether the types of a pool can run an image, and the AMI that all of them share."""

from __future__ import annotations

from cdk_sglang.hardware import ami_problems, inference_ami_for
from cdk_sglang.spec.capacity import Capacity
from cdk_sglang.spec.image_facts import ImageFacts


def chosen_ami(capacity: Capacity, facts: ImageFacts) -> str | None:
    """Return the AMI that the first type which must ask for one asks for; None when all have the right one by default."""
    amis = (inference_ami_for(instance, facts.cuda, facts.compute_capabilities) for instance in capacity.instances)
    return next((ami.name for ami in amis if ami is not None), None)


def pool_ami_problems(capacity: Capacity, facts: ImageFacts, requested: str | None = None) -> list[str]:
    """Say which types of the pool cannot run the image.

    Args:
        capacity: The pool.
        facts: What the image was built for.
        requested: `InferenceAmiVersion` as asked for. Default: the one that all types would share.
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
