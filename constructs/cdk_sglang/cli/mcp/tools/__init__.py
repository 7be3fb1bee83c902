"""The tools: what each takes and gives as pydantic models, and the functions of the command line that answer."""
