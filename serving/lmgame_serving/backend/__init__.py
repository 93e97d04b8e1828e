"""The GPU backend: vLLM engines that lmgame starts, watches and stops, behind the gateway."""
