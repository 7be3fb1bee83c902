"""Return the live number of copies of an inference component to CloudFormation, so that an update does not reset it."""
