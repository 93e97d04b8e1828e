"""lmgame's plugins for vLLM, for an interpreter that has vLLM and no lmgame."""

from pathlib import Path

from lmgame_serving import vllm_idefics3

_MODULE = "lmgame_vllm_idefics3"
_METADATA = "Metadata-Version: 2.1\nName: lmgame-vllm-plugins\nVersion: 1\n"
_ENTRY_POINTS = f"[vllm.general_plugins]\nlmgame_idefics3 = {_MODULE}:register\n"


def write_plugins(folder: Path) -> Path:
    """Write a folder that, put on PYTHONPATH, has vLLM load the plugins.

    vLLM finds plugins as entry points of installed distributions, and what Python takes for installed is any folder on
    its path with a `.dist-info` in it. Where lmgame is installed beside vLLM, too, the plugins are loaded twice, which
    they stand.

    Returns:
        The folder's absolute path.
    """
    information = folder / "lmgame_vllm_plugins-1.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text(_METADATA)
    (information / "entry_points.txt").write_text(_ENTRY_POINTS)
    (folder / f"{_MODULE}.py").write_text(Path(vllm_idefics3.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    return folder.absolute()
