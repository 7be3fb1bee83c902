"""The tools: the input and output of each as pydantic models, and the functions of the command line that answer."""
