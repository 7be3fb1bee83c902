"""Names of what a pipeline consists of: derived from the component's, so that the command line finds them without asking CloudFormation."""

from __future__ import annotations


def state_machine_name(component_name: str) -> str:
    """Return the name of a component's state machine.

    Args:
        component_name: Name of the component in SageMaker, 63 characters at most, of the 80 of a state machine's.
    """
    return f"{component_name}-speculative"


def model_package_group_name(component_name: str) -> str:
    """Return the name of the group of a component's versions in the model registry: that of the component."""
    return component_name


def place_parameter_name(environment: str, component_name: str) -> str:
    """Return the SSM parameter that says where everything of a component's pipeline is.

    Args:
        environment: Name of the environment.
        component_name: Name of the component in SageMaker.
    """
    return f"/cdk-sglang/{environment}/speculative/{component_name}"
