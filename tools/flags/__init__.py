"""The options of SGLang's releases, read from their own argument parsers: `python -m tools.flags 0.5.20`."""
