"""Application Auto Scaling of inference components: policies and scheduled actions."""
