"""Lambda functions that train a draft model, prove that it is faster, promote it, and clean up: one entry point per state of the state machine."""
