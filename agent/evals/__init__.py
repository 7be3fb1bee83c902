"""Conversations with what the agent has to do in them: a gate before a new model, adapter or prompt version.

`cdk-sglang agent eval` runs them against a component: it starts `python -m evals` in the folder `agent` with the agent's packages. The tools are
made-up ones with made-up patients, under the names and schemas of the real ones, so that a run needs nothing but the component, and saves nothing.
"""
