"""The plugins for vLLM, loaded as vLLM does by an interpreter that has no lmgame."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from lmgame_serving import vllm_idefics3
from lmgame_serving.backend.plugins import write_plugins

LOADED = """
import sys
from importlib.metadata import entry_points
import vllm.model_executor.models.idefics3 as idefics3
[plugin] = entry_points(group="vllm.general_plugins")
for _ in range(2):
    plugin.load()()
print(plugin.name, idefics3.Idefics3ProcessingInfo().get_num_patches(image_width=1), "lmgame_serving" in sys.modules)
"""


def test_the_plugin_is_found_and_changes_vllm(tmp_path: Path) -> None:
    models = tmp_path / "site/vllm/model_executor/models"
    models.mkdir(parents=True)
    code = "class Idefics3ProcessingInfo:\n    def get_num_patches(self, **kwargs): return 0\n"
    (models / "idefics3.py").write_text(code)
    write_plugins(tmp_path / "plugins")
    folder = write_plugins(tmp_path / "plugins")  # a backend that is started again finds its own
    path = os.pathsep.join([str(folder), str(tmp_path / "site")])
    done = subprocess.run(
        [sys.executable, "-S", "-c", LOADED],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["lmgame_idefics3", "1", "False"]


def test_the_plugin_is_for_older_pythons_too() -> None:
    ast.parse(Path(vllm_idefics3.__file__).read_text(), feature_version=(3, 10))
