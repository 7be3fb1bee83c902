"""Conversations with the expected behaviour of the agent: a gate before a new model, adapter or prompt version.

`cdk-sglang agent eval` runs them against a component: it starts `python -m evals` in the folder `agent` with the agent's packages. The tools are
stand-ins with invented patients, under the names and schemas of the real ones, so that a run needs only the component and saves nothing.
"""
