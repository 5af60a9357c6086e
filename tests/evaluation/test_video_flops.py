"""Costs of networks of clips: torchvision's own figures, a sum by hand, and the printed table."""

from __future__ import annotations

import io
import json

import pytest
import torchvision

from mocrop.cli import main
from mocrop.evaluation.flops import FlopsSettings, count_cost, count_costs
from mocrop.evaluation.report.flops import print_costs
from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.terminal import LineConsole
from mocrop.training.model.video import VIDEO_NETWORKS, torchvision_name

SMALL = "video/r3d_18"
RESNETS = (SMALL, "video/mc3_18", "video/r2plus1d_18")  # published for 112 px, the others for 224; all for 16 frames
PUBLISHED = {  # GFLOPs of a clip, millions of parameters; https://pytorch.org/vision/stable/models.html
    "video/r3d_18": ("40.70", "33.4"),
    "video/mc3_18": ("43.34", "11.7"),
    "video/r2plus1d_18": ("40.52", "31.5"),
    "video/s3d": ("17.98", "8.3"),
    "video/mvit_v1_b": ("70.60", "36.6"),
    "video/mvit_v2_s": ("64.22", "34.5"),
    "video/swin3d_t": ("43.88", "28.2"),
    "video/swin3d_s": ("82.84", "49.8"),
    "video/swin3d_b": ("140.67", "88.0"),
}


@pytest.mark.parametrize("arch", VIDEO_NETWORKS)
def test_the_figures_are_those_of_torchvisions_table_to_the_printed_digit(arch: str) -> None:
    cost = count_cost(arch, size=112 if arch in RESNETS else 224, classes=400, frames=16)
    meta = torchvision.models.get_model_weights(torchvision_name(arch)).KINETICS400_V1.meta
    assert f"{cost.clip_gflops(16):.3f}" == f"{meta['_ops']:.3f}"
    assert cost.parameters == meta["num_params"]
    assert (f"{cost.clip_gflops(16):.2f}", f"{cost.parameters / 1e6:.1f}") == PUBLISHED[arch]


def test_one_layer_by_hand() -> None:
    two, three = (count_cost(SMALL, size=16, frames=8, classes=count) for count in (2, 3))
    assert round((three.clip_gflops(8) - two.clip_gflops(8)) * 1e9) == 512  # one more output of a layer of 512 inputs
    assert three.parameters - two.parameters == 512 + 1


def test_norms_are_listed_and_not_counted() -> None:
    uncounted = count_cost(SMALL, size=16, frames=2).uncounted
    assert sum(calls for name, calls in uncounted.items() if "batch_norm" in name) == 20
    assert not any("conv" in name or "mm" in name for name in uncounted)


def test_a_clip_of_more_frames_costs_more_and_is_counted_by_itself() -> None:
    eight, sixteen = (count_cost(SMALL, size=16, frames=frames) for frames in (8, 16))
    assert sixteen.clip_gflops(16) > eight.clip_gflops(8)
    with pytest.raises(ValueError, match="was counted on clips of 8 frames, not of 16"):
        eight.clip_gflops(16)


def test_without_sizes_a_network_is_counted_at_those_that_it_takes() -> None:
    settings = FlopsSettings(archs=("video/mvit_v2_s", SMALL), classes=2)
    assert [(cost.arch, cost.size, cost.frames) for cost in count_costs(settings)] == [
        ("video/mvit_v2_s", 224, 16),
        (SMALL, 224, 16),
        (SMALL, 192, 16),
    ]


@pytest.mark.parametrize("options", [{"segments": 8}, {"sizes": (192,)}])
def test_clips_that_a_network_cannot_take_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=r"video/mvit_v2_s takes clips of 16 frames of 224 px, not"):
        count_costs(FlopsSettings(archs=("video/mvit_v2_s",), **options))  # type: ignore[arg-type]


def test_the_table_says_what_is_counted_in_80_columns() -> None:
    console = LineConsole(width=80, record=True, file=io.StringIO())
    print_costs(console, [count_cost(SMALL, size=16), count_cost("timm/test_resnet", size=32)], segments=None)
    text = console.export_text()
    assert "clip of 16 or 8 frames" in text
    assert "without norms, as torchvision's table of them counts" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_command_counts_a_clip_of_16_frames(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["flops", "--arch", SMALL, "--size", "112", "--classes", "400", "--json"])
    assert end.value.code in (0, None)
    (cost,) = json.loads(capsys.readouterr().out)
    assert (cost["frames"], cost["segments"], round(cost["clip_gflops"], 3)) == (16, 16, 40.697)
