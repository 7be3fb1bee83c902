"""`make local`: an embedded AWS (`aws`), the SGLang engine on this machine's CPU (`engine`), and the command that joins them.

This file imports nothing: the engine's own environment, which has no moto, imports `localcloud.engine`.
"""
