"""What the gateway answers where it gives no model's answer, in the words of OpenAI's API."""

import json
from typing import Any

from aiohttp import web

from lmgame_serving.gateway.pool import Engine


class RefusedError(Exception):
    """Raised inside the gateway for a request that gets an error for an answer.

    Args:
        status: HTTP status.
        message: What was wrong, what was expected, what to do; sent to the client.
        code: A word for programs, such as `model_not_found`.
        retry_after: Seconds after which the client may ask again.
        headers: Further ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        retry_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def response(self) -> web.Response:
        """The answer, as JSON."""
        body = {"error": error(self.status, self.message, self.code)}
        return web.json_response(body, status=self.status, headers=self.headers)


class FaultError(Exception):
    """Raised inside the gateway when an engine failed a request in a way that another attempt may cure.

    Args:
        engine: The one that failed; None where there was none.
        kind: A word for metrics: `unreachable`, `reset`, `silent`, `status`, `error`, `empty`, `cut`, …
        message: What happened, the engine's own words already made harmless.
    """

    def __init__(self, engine: Engine | None, kind: str, message: str) -> None:
        super().__init__(message)
        self.engine, self.kind, self.message = engine, kind, message


def error(status: int, message: str, code: str | int | None = None) -> dict[str, Any]:
    """An error object as OpenAI's API has it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"message": message, "type": kind, "param": None, "code": code}


def error_event(fault: FaultError) -> bytes:
    """The event that ends a stream which an engine broke off. It begins with a newline, to end what came before it."""
    content = {"error": error(502, fault.message, 502)}
    return b"\ndata: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"
