"""`python -m lmgame_serving.testing`: the stub server as a process of its own. Prints its port, then serves."""

import argparse
import asyncio
import contextlib

from lmgame_serving.testing.reply import Reply
from lmgame_serving.testing.server import StubServer


async def serve(port: int, reply: Reply) -> None:
    """Serve the same reply to everybody until cancelled."""
    async with StubServer(reply, port=port, record=False) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m lmgame_serving.testing", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on loopback; 0 takes a free one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the first byte")
    parser.add_argument("--gap", type=float, default=0.0, help="seconds between events")
    parser.add_argument("--chunks", type=int, default=24, help="events an answer is spread over")
    parser.add_argument("--answer", default=Reply.text, help="the text of every answer")
    arguments = parser.parse_args()
    reply = Reply(arguments.answer, chunks=arguments.chunks, delay=arguments.delay, gap=arguments.gap)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments.port, reply))


if __name__ == "__main__":
    main()
