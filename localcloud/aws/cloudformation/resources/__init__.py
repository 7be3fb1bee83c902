"""CloudFormation resource types: importing a module registers the types that it defines."""
