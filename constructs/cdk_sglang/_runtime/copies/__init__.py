"""Tells CloudFormation how many copies an inference component has, so that an update does not set them back."""
