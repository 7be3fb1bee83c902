"""Benchmarks of deployed components: workloads sent by AIPerf, results kept as history and compared with the plan."""
