"""Sample what endpoints run on every few minutes, and report once a day what that cost and whose it was."""
