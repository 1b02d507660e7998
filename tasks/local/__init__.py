"""Starts and stops the parts of `demo`: the store, the provider's twin, and Prefect's settings for this machine."""

from tasks.local.parts import LocalParts, local_parts
from tasks.local.prefect_home import prefect_environment

__all__ = ["LocalParts", "local_parts", "prefect_environment"]
