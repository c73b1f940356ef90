"""
What is written down of what happens: the log, the frames, the requests.
"""

from .access import AccessLog
from .books import Books
from .frames import FrameLog
from .log import Logs
from .mask import Mask


__all__ = ["AccessLog", "Books", "FrameLog", "Logs", "Mask"]
