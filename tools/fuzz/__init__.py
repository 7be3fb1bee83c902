"""Random environments through settings, synth and CDK's validation; `python -m tools.fuzz [count]` from the repository root."""
