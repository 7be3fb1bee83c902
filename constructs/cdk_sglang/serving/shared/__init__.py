"""What constructs of several nouns use: names, ARNs, permissions, logs, functions."""
