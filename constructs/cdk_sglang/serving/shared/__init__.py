"""Code that several groups of constructs share: names, ARNs, permissions, logs, functions."""
