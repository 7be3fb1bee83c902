"""The endpoint, its configuration, role, network and routing."""
