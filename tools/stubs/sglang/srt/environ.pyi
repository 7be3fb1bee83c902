class _EnvBool:
    def get(self) -> bool: ...

class Envs:
    SGLANG_USE_PICKLE_IPC: _EnvBool

envs: Envs
