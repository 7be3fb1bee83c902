"""Random requests from SGLang's own schema: what a caller may send, and what no server should fall over."""
