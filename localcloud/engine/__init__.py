"""The real SGLang engine on a machine without a GPU: how it is installed, found and started.

`make engine` runs `localcloud.engine.install`; `localcloud.engine.tiny_model` makes the model it serves; `cpu_platform/`
is the SGLang platform plug-in that makes an unmodified SGLang run on PyTorch's CPU operators.
"""
