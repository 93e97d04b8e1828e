"""A stand-in for a model's server, for tests and benchmarks: answers as scripted, misbehaves as asked."""

from lmgame_serving.testing.reply import Fault, Reply
from lmgame_serving.testing.server import Request, Script, StubServer

__all__ = ["Fault", "Reply", "Request", "Script", "StubServer"]
