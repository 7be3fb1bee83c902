"""Models that SGLang looks for here first (`SGLANG_EXTERNAL_MODEL_PACKAGE`): it imports all of its own, more than 250 in 0.5.23, only if the model is not here."""
