"""SGLang's Llama, which the tiny model is."""

from sglang.srt.models.llama import EntryClass

__all__ = ["EntryClass"]
