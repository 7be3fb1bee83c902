"""CloudFormation: change sets and stacks, deployed in dependency order and rolled back after a failure."""
