"""Pusher: pushes a blessed model once, whole."""

from tfx_components.pusher.component import Pusher

__all__ = ["Pusher"]
