"""SGLang's EAGLE3 head for a Llama."""

from sglang.srt.models.llama_eagle3 import EntryClass

__all__ = ["EntryClass"]
