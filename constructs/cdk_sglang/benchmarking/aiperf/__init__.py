"""NVIDIA AIPerf: its configuration, its process and its records."""
