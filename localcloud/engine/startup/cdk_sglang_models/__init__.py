"""Models that SGLang looks for here first (`SGLANG_EXTERNAL_MODEL_PACKAGE`): it imports the 270 others where one of them is asked for."""
