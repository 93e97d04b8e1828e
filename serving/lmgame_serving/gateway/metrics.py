"""What the gateway counts, for Prometheus."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from lmgame_serving.gateway.pool import Engine, EngineState

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Metrics:
    """Counters, gauges and histograms of one gateway, in a registry of their own.

    Args:
        engines: The engines whose load and state are shown.
    """

    def __init__(self, engines: Collection[Engine]) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "lmgame_gateway_requests",
            "Requests for an answer that are over, by HTTP status; `cut`: broken off after the first byte by an "
            "engine, `gone`: by the client",
            ["status"],
            registry=registry,
        )
        self.in_flight = Gauge("lmgame_gateway_in_flight", "Requests for an answer now", registry=registry)
        self.retries = Counter("lmgame_gateway_retries", "Attempts after a request's first one", registry=registry)
        self.faults = Counter(
            "lmgame_gateway_engine_faults", "Requests that an engine failed", ["engine", "kind"], registry=registry
        )
        self.silent_local_prefills = Counter(
            "lmgame_gateway_silent_local_prefill",
            "Prompts that a prefill engine answered without saying where their KV cache is",
            registry=registry,
        )
        self.prefill_seconds = self._seconds("prefill", "From asking a prefill engine to its answer")
        self.first_byte_seconds = self._seconds("first_byte", "From a whole request to its answer's first byte")
        self.request_seconds = self._seconds("request", "From a whole request to the end of a good answer")
        load = Gauge("lmgame_gateway_engine_in_flight", "Requests open at an engine", ["engine"], registry=registry)
        ready = Gauge("lmgame_gateway_engine_ready", "1 if an engine takes requests", ["engine"], registry=registry)
        for engine in engines:
            load.labels(engine.name).set_function(lambda engine=engine: engine.in_flight)
            ready.labels(engine.name).set_function(lambda engine=engine: engine.state is EngineState.READY)

    def _seconds(self, name: str, words: str) -> Histogram:
        return Histogram(f"lmgame_gateway_{name}_seconds", words, buckets=_SECONDS, registry=self.registry)
