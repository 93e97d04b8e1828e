"""The plugin for vLLM, without vLLM: a stand-in for the one method that it changes."""

import sys
from importlib.metadata import entry_points
from types import ModuleType

import pytest

from lmgame_serving import vllm_idefics3


class _Info:
    def __init__(self, views: int) -> None:
        self.views = views

    def get_num_patches(self, *, image_width: int, image_height: int) -> int:
        assert (image_width, image_height) == (288, 384)
        return self.views


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch) -> type[_Info]:
    class Info(_Info):
        get_num_patches = _Info.get_num_patches

    module = ModuleType("idefics3")
    module.Idefics3ProcessingInfo = Info  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm.model_executor.models.idefics3", module)
    for name in ("vllm", "vllm.model_executor", "vllm.model_executor.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    return Info


@pytest.mark.parametrize(("views", "counted"), [(0, 1), (1, 1), (5, 5)])
def test_an_unsplit_picture_counts_as_one_view(info: type[_Info], views: int, counted: int) -> None:
    vllm_idefics3.register()
    vllm_idefics3.register()  # each of vLLM's processes may load it more than once
    assert info(views).get_num_patches(image_width=288, image_height=384) == counted


@pytest.mark.usefixtures("info")
@pytest.mark.parametrize("missing", ["module", "class", "method"])
def test_a_vllm_that_it_does_not_fit_is_left_alone(
    missing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = "vllm.model_executor.models.idefics3"
    if missing == "module":
        monkeypatch.setitem(sys.modules, name, None)  # which makes importing it an ImportError
    elif missing == "class":
        monkeypatch.delattr(sys.modules[name], "Idefics3ProcessingInfo")
    else:
        monkeypatch.setattr(sys.modules[name], "Idefics3ProcessingInfo", object)
    vllm_idefics3.register()
    (record,) = caplog.records
    assert record.levelname == "WARNING" and "vLLM issue 48667" in record.getMessage()


def test_vllm_finds_the_plugin() -> None:
    (found,) = entry_points(group="vllm.general_plugins", name="lmgame_idefics3")
    assert found.load() is vllm_idefics3.register
