"""Conversations with what the agent has to do in them: a gate before a new model, adapter or prompt version.

`python -m evals --endpoint E --component C` runs them against a component, from the folder `agent` with `.venv-agent`. The tools are made-up ones with made-up
patients, under the names and schemas of the real ones, so that a run needs nothing but the component, and saves nothing.
"""
