"""Metrics that endpoints, GPUs and SGLang publish: facts with their sources, and PromQL over them. No CDK.

`cloudwatch` holds CloudWatch's classic metrics, `series` the metrics that CloudWatch queries with PromQL, `promql` the queries.
"""
