"""PromQL, evaluated over the samples of the embedded AWS with the semantics of Prometheus 3: ranges and the look-back exclude their beginning.

Not evaluated: native histograms (their functions give nothing), `holt_winters`, `double_exponential_smoothing`, trigonometry, `limitk`, `info`.
"""
