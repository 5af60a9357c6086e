"""Costs of networks: the published figures, sums by hand, and the printed table."""

from __future__ import annotations

import io
import json
import sys
import warnings
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from mocrop.cli import main
from mocrop.evaluation.flops import Cost, FlopsSettings, count_cost, count_costs, savings
from mocrop.evaluation.report.flops import costs_json, print_costs
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.model.backbones import Backbone

TINY = "timm/test_vit"
PUBLISHED = {  # GFLOPs per frame at 224 and 192 px, head of 101 classes
    "resnet50": ("4.110", "3.019"),
    "mobilenet_v3_large": ("0.225", "0.166"),
    "efficientnet_b1": ("0.591", "0.434"),
    "swin_b": ("15.467", "12.638"),
}


@cache
def tiny(size: int) -> Cost:
    return count_cost(TINY, size=size)


def cost(arch: str, size: int, gflops: float) -> Cost:
    return Cost(arch=arch, size=size, classes=101, parameters=23_710_000, frame_gflops=gflops, uncounted={})


def network_of(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every architecture name build this network."""
    backbone = Backbone(arch=TINY, model=model, head=())
    monkeypatch.setattr("mocrop.evaluation.flops.build_backbone", lambda *_, **__: backbone)


@pytest.mark.parametrize("arch", PUBLISHED)
def test_the_published_figures_come_out_to_the_printed_digit(arch: str) -> None:
    counted = [f"{count_cost(arch, size=size).frame_gflops:.3f}" for size in (224, 192)]
    assert tuple(counted) == PUBLISHED[arch]


def test_a_convolution_costs_outputs_times_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    network_of(nn.Sequential(nn.Conv2d(3, 4, kernel_size=3, padding=1), nn.ReLU()), monkeypatch)
    counted = count_cost(TINY, size=8)
    assert counted.frame_gflops * 1e9 == 8 * 8 * 4 * (3 * 3 * 3)
    assert counted.parameters == 4 * 27 + 4
    assert counted.uncounted == {}  # fvcore leaves activations out by itself


def test_attention_costs_the_same_in_one_operation_as_in_two_products(monkeypatch: pytest.MonkeyPatch) -> None:
    in_one = tiny(64)
    monkeypatch.setattr("timm.layers.config._USE_FUSED_ATTN", 0)
    in_two = count_cost(TINY, size=64)
    assert "aten::softmax" in in_two.uncounted
    assert "aten::softmax" not in in_one.uncounted
    assert in_two.frame_gflops == in_one.frame_gflops


def test_a_clip_costs_its_frames() -> None:
    assert cost("a", 224, 4.0).clip_gflops(8) == 32


def test_saving_is_against_the_largest_size_of_the_same_network() -> None:
    costs = [cost("a", 192, 3), cost("a", 224, 4), cost("b", 64, 5), cost("a", 112, 1)]
    assert savings(costs) == [0.25, None, None, 0.75]


def test_each_network_is_counted_once_at_each_size_in_the_order_asked() -> None:
    said: list[tuple[str, int]] = []
    settings = FlopsSettings(archs=(TINY, TINY), sizes=(32, 64, 32))
    costs = count_costs(settings, on_count=lambda *what: said.append(what))
    assert [(c.arch, c.size) for c in costs] == said == [(TINY, 32), (TINY, 64)]


def test_warnings_of_fvcore_are_hidden_and_those_of_the_network_are_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Warns(nn.Module):
        def forward(self, frames: Tensor) -> Tensor:
            warnings.warn("mine", UserWarning, stacklevel=2)
            return frames.sum() + frames.cumsum(0)  # neither is known to fvcore

    for module in [name for name in sys.modules if name.startswith("fvcore")]:
        monkeypatch.delitem(sys.modules, module)  # it warns when it is imported
    network_of(Warns(), monkeypatch)
    with pytest.warns() as seen:
        counted = count_cost(TINY, size=8)
    assert {str(warning.message) for warning in seen} == {"mine"}
    assert caplog.text == ""
    assert counted.uncounted["aten::cumsum"] == 1


def test_the_number_of_threads_is_as_before() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        count_cost(TINY, size=32)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"archs": ("resnet51",)}, "unknown --arch 'resnet51'; pass one of: resnet50"),
        ({"sizes": ()}, "at least one --arch and one --size"),
        ({"sizes": (224, 0)}, "must be at least 1"),
        ({"segments": 0}, "must be at least 1"),
    ],
)
def test_settings_that_cannot_be_counted_are_refused(options: dict[str, tuple[str]], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        FlopsSettings(**options)


@pytest.mark.parametrize(("arch", "size"), [(TINY, 50), ("mobilenet_v3_large", 0), ("swin_t", 3)])
def test_a_size_that_a_network_cannot_take_is_an_error(arch: str, size: int) -> None:
    with pytest.raises(SettingsError, match=f"--arch {arch} cannot work on frames of {size} px"):
        count_cost(arch, size=size)


def test_the_table_fits_80_columns_even_with_a_long_name() -> None:
    console = LineConsole(width=80, record=True, file=io.StringIO())
    name = "timm/a_network_with_a_very_long_name.in22k_ft_in1k"
    print_costs(console, [cost(name, 224, 15.467), cost(name, 192, 12.638)], segments=8)
    text = console.export_text()
    assert "clip of 8 frames, head of 101 classes" in text
    assert "…" not in text
    assert {"15.467", "123.74", "101.10", "23.71", "18.3"} <= set(text.split())


def test_the_command_prints_json_with_the_cost_of_a_clip(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["flops", "--arch", TINY, "--size", "64", "--size", "32", "--segments", "3", "--json"])
    assert end.value.code in (0, None)
    first, second = json.loads(capsys.readouterr().out)
    assert first["clip_gflops"] == pytest.approx(3 * tiny(64).frame_gflops)
    assert first["saved"] is None
    assert second["saved"] == pytest.approx(1 - tiny(32).frame_gflops / tiny(64).frame_gflops)
    assert costs_json([tiny(64)], segments=3)[0] == first
