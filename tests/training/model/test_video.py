"""Video networks by name: the clips that each takes, their heads, normalisation and weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from mocrop.pipeline.errors import SettingsError, WeightsError
from mocrop.training.model.backbones import build_backbone, clip_logits, require_known
from mocrop.training.model.checkpoint import Checkpoint, restore_backbone
from mocrop.training.model.pooling import pooled_logits
from mocrop.training.model.video import VIDEO_NETWORKS
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

ANY_CLIP = ("video/r3d_18", "video/mc3_18", "video/r2plus1d_18", "video/swin3d_t", "video/swin3d_s", "video/swin3d_b")
ONE_CLIP = ("video/mvit_v1_b", "video/mvit_v2_s")  # 16 frames of 224 px
SMALL = "video/r3d_18"


class Ordered(nn.Module):
    """Logits of a clip, (B, C, T, H, W): the red of its first frame, and that of its last."""

    def forward(self, clips: Tensor) -> Tensor:
        return clips[:, 0, [0, -1]].mean(dim=(2, 3))


def reds(*values: float) -> Tensor:
    """Frames of one pixel, (frames, 3, 1, 1)."""
    return torch.tensor([[value, 0.0, 0.0] for value in values])[..., None, None]


def of_clips(arch: str, *, frames: int, size: int) -> torch.Size:
    """Shape of the logits of two clips, for seven classes; without the work."""
    with torch.device("meta"):
        backbone = build_backbone(arch, classes=7, size=size, frames=frames)
        return clip_logits(backbone.model.eval(), torch.zeros(2, frames, 3, size, size), video=backbone.video).shape


def test_all_nine_are_there() -> None:
    assert {*ANY_CLIP, *ONE_CLIP, "video/s3d"} == VIDEO_NETWORKS.keys()


def test_a_video_network_sees_the_frames_of_a_clip_in_their_order() -> None:
    clips = torch.stack([reds(1, 5, 2), reds(3, 5, 4)])
    assert clip_logits(Ordered(), clips, video=True).tolist() == [[1, 2], [3, 4]]


def test_the_logits_of_views_are_averaged_and_those_of_frames_are_not() -> None:
    views = torch.stack([torch.stack([reds(1, 5, 2), reds(3, 5, 6)]), torch.stack([reds(0, 5, 0), reds(0, 5, 2)])])
    assert clip_logits(Ordered(), views, video=True).tolist() == [[2, 4], [0, 1]]


def test_a_frame_network_averages_over_frames_and_views() -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())  # logits = mean colour
    views = torch.stack([torch.stack([reds(1, 2), reds(3, 6)]), torch.stack([reds(0, 0), reds(0, 4)])])
    assert clip_logits(model, views).tolist() == [[3, 0, 0], [1, 0, 0]]
    assert torch.equal(clip_logits(model, views), clip_logits(model, views.flatten(1, 2)))


def test_either_kind_is_asked_through_its_backbone() -> None:
    backbone = build_backbone(SMALL, classes=2, size=16, frames=2)
    backbone.model.eval()
    views = torch.rand(1, 3, 2, 3, 16, 16)
    with torch.no_grad():
        each = [backbone.model(views[:, view].transpose(1, 2)) for view in range(3)]
        assert torch.allclose(pooled_logits(backbone, views), torch.stack(each).mean(dim=0), atol=1e-6)


@pytest.mark.parametrize("arch", ANY_CLIP)
@pytest.mark.parametrize(("frames", "size"), [(1, 16), (5, 33), (16, 112)])
def test_most_take_clips_of_any_size(arch: str, frames: int, size: int) -> None:
    assert of_clips(arch, frames=frames, size=size) == (2, 7)


@pytest.mark.parametrize("arch", ONE_CLIP)
def test_mvit_takes_16_frames_of_224_px_and_nothing_else(arch: str) -> None:
    assert of_clips(arch, frames=16, size=224) == (2, 7)
    for frames, size in ((15, 224), (17, 224), (16, 223), (16, 225), (8, 192)):
        with pytest.raises(SettingsError, match=r"takes clips of 16 frames of 224 px, not \d+ frames of \d+ px; "):
            build_backbone(arch, classes=7, size=size, frames=frames)


def test_s3d_takes_what_its_strides_leave_something_of() -> None:
    assert of_clips("video/s3d", frames=13, size=209) == (2, 7)  # 13, 7, 4, 2; 209, 105, 53, 27, 14, 7
    message = (
        r"takes clips of at least 13 frames of at least 209 px, not 12 frames of 208 px; pass --segments 16 .*and "
    )
    with pytest.raises(
        SettingsError, match=message + r"take a cache of `mocrop precrop --size 224` .*, or pass another"
    ):
        build_backbone("video/s3d", classes=7, size=208, frames=12)
    model = torchvision.models.get_model("s3d", weights=None).eval()
    for frames, size in ((12, 209), (13, 208)):
        with pytest.raises(RuntimeError, match=r"Output size is too small|smaller than kernel size"), torch.no_grad():
            model.to("meta")(torch.zeros(1, 3, frames, size, size, device="meta"))


@pytest.mark.parametrize("arch", VIDEO_NETWORKS)
def test_the_head_is_where_the_table_says(arch: str) -> None:
    with torch.device("meta"):
        backbone = build_backbone(arch, classes=7, size=224)
    assert [backbone.model.get_submodule(layer).weight.shape[0] for layer in backbone.head] == [7]
    assert backbone.video


def test_the_normalisation_is_that_of_the_published_weights() -> None:
    with torch.device("meta"):
        of = {arch: build_backbone(arch, classes=2, size=224) for arch in VIDEO_NETWORKS}
    assert of[SMALL].mean == (0.43216, 0.394666, 0.37645)
    assert of[SMALL].std == (0.22803, 0.22145, 0.216989)
    assert of["video/mvit_v2_s"].mean == (0.45, 0.45, 0.45)
    assert of["video/swin3d_b"].std == (0.229, 0.224, 0.225)


def test_an_unknown_video_network_is_answered_with_all_that_are() -> None:
    with pytest.raises(SettingsError, match=r"unknown --arch 'video/r3d_50'; pass one of: video/r3d_18, .*swin3d_b"):
        require_known("video/r3d_50")
    with pytest.raises(SettingsError, match="unknown --arch 'r3d_18'; pass video/r3d_18"):
        require_known("r3d_18")


def test_a_head_that_is_a_convolution_is_restored_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = build_backbone("video/s3d", classes=2, size=224).model.state_dict()
    parts = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "settings": {}, "cache": {"name": "made"}, "metrics": {}}
    checkpoint = Checkpoint(arch="video/s3d", class_names=["Dig", "Run"], size=224, epoch=1, state_dict=state, **parts)
    restored = restore_backbone(checkpoint, size=224, source=tmp_path, frames=16)
    assert torch.equal(restored.model.classifier[1].weight, state["classifier.1.weight"])
    with pytest.raises(SettingsError, match="at least 13 frames"):
        restore_backbone(checkpoint, size=224, source=tmp_path, frames=8)


def offline(*_: object, **__: object) -> object:
    raise OSError("Network is unreachable")


def test_without_a_connection_the_error_names_the_file_and_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", offline)
    monkeypatch.setattr("torch.hub.urlopen", offline)
    message = r"the Kinetics weights cannot be fetched.*unreachable.*--weights none.*r3d_18-b3b3357e\.pth.*FILE"
    with pytest.raises(WeightsError, match=message):
        build_backbone(SMALL, classes=2, size=16, weights="kinetics")


def test_kinetics_weights_fill_all_but_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    source = torchvision.models.video.r3d_18(weights=None)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: source.state_dict())
    backbone = build_backbone(SMALL, classes=3, size=16, weights="kinetics")
    assert torch.equal(backbone.model.stem[0].weight, source.stem[0].weight)
    assert backbone.model.fc.out_features == 3


def test_a_file_of_weights_may_be_wrapped_as_any_other(tmp_path: Path) -> None:
    source = torchvision.models.video.r3d_18(weights=None)
    state = {f"module.backbone.{key}": value for key, value in source.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "theirs.pt")
    backbone = build_backbone(SMALL, classes=3, size=16, weights=str(tmp_path / "theirs.pt"))
    assert torch.equal(backbone.model.stem[0].weight, source.stem[0].weight)


@pytest.mark.parametrize(
    ("arch", "weights", "own"), [(SMALL, "imagenet", "kinetics"), ("resnet50", "kinetics", "imagenet")]
)
def test_weights_of_the_other_kind_are_refused(arch: str, weights: str, own: str) -> None:
    with pytest.raises(WeightsError, match=f"--weights {weights}: there are none of --arch {arch}; .*--weights {own}"):
        build_backbone(arch, classes=2, size=32, weights=weights)


@pytest.mark.parametrize("arch", ["video/r3d_18", "video/r2plus1d_18", "video/swin3d_t"])
def test_motion_fields_go_into_the_first_convolution(arch: str) -> None:
    backbone = build_backbone(arch, classes=2, size=8, input="motion", frames=3)
    backbone.model.eval()
    first = next(layer for layer in backbone.model.modules() if isinstance(layer, nn.Conv3d))
    assert first.weight.shape[1] == first.in_channels == 2
    with torch.no_grad():
        assert clip_logits(backbone.model, torch.rand(2, 3, 2, 8, 8), video=True).shape == (2, 2)


def test_pretrained_kernels_give_the_same_of_fields_that_are_grey(tmp_path: Path) -> None:
    frames = build_backbone(SMALL, classes=2, size=8).model
    torch.save(frames.state_dict(), tmp_path / "frames.pt")
    fields = build_backbone(SMALL, classes=2, size=8, input="motion", frames=3, weights=str(tmp_path / "frames.pt"))
    grey = torch.rand(1, 1, 3, 8, 8)
    of_frames = frames.stem(grey.expand(-1, 3, -1, -1, -1))
    assert torch.allclose(fields.model.stem(grey.expand(-1, 2, -1, -1, -1)), of_frames, atol=1e-5)


def test_networks_of_one_size_do_not_take_motion_fields() -> None:
    with pytest.raises(SettingsError, match=r"takes clips of 16 frames of 224 px, not 16 motion fields of 32 px; "):
        build_backbone("video/mvit_v2_s", classes=2, size=32, input="motion", frames=16)


def test_what_is_made_of_features_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="has features of a clip as a whole; leave --freeze-backbone out"):
        TrainSettings(arch=SMALL, freeze_backbone=True, **SAME_PIXELS)
    with pytest.raises(ValueError, match="has features of a clip as a whole; leave --pool out"):
        TrainSettings(arch=SMALL, pool="mean-std")
