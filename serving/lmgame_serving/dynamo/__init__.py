"""The profile of a backend as an NVIDIA Dynamo deployment, for what one machine is too small for."""

from lmgame_serving.dynamo.export import DYNAMO_VERSION, export

__all__ = ["DYNAMO_VERSION", "export"]
