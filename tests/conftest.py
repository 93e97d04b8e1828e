"""Property tests draw the same examples on every run of the gate, and new ones at the desk."""

import os

from hypothesis import settings

settings.register_profile("gate", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("gate")
