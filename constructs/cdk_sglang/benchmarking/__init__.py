"""Benchmarks of what is deployed: workloads sent by AIPerf, results kept as history and held against the plan."""
