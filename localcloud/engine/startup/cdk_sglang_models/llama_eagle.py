"""SGLang's EAGLE head for a Llama."""

from sglang.srt.models.llama_eagle import EntryClass

__all__ = ["EntryClass"]
