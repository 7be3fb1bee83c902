"""SGLang platform plug-in: serve on any x86-64 CPU with PyTorch's own operators, no sgl_kernel and no Triton launch."""


def activate() -> str:
    """Entry point that SGLang calls: the dotted path of the platform class."""
    return "cdk_sglang_cpu.platform.CpuPlatform"
