"""Specifications: what a user may ask of an endpoint, as frozen values that an environment file and Python code share."""
