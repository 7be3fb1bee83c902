# The part of SGLang 0.5.23 that `container` uses; tests/container/test_stubs.py looks each name up in the engine.
