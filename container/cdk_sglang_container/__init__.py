"""The process that SageMaker starts as `serve`: SGLang's own HTTP server with SageMaker's container contract in it.

`SM_SGLANG_*` becomes SGLang's argument vector (`arguments`, `rules`), the GPUs are tested (`preflight`), and SGLang's
server is started in this process with the contract added to its ASGI application (`contract`, `health`, `sessions`,
`adapters`, `bidirectional`): no proxy, no second hop. `engine` is the only module that touches SGLang's names.

Imports nothing from the `cdk_sglang` library: the image contains only this folder.
"""
