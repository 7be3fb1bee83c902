"""Resolves the specification of one component on the instance types of its endpoint."""
