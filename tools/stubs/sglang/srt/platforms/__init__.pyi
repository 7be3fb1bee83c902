class _Platform:
    device_type: object

current_platform: _Platform
