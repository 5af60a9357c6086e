"""What augmentation does to pixels and motion fields, in numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mocrop.training.data.augment import AugmentParams, augment, draw_augment_params, mixup
from mocrop.training.data.inputs import normalise
from mocrop.training.model.motion_input import MOTION_MEAN, MOTION_STD
from mocrop.training.recipe import SAME_PIXELS, TrainSettings

CPU = torch.device("cpu")


def params(clips: int = 1, **changes: object) -> AugmentParams:
    """AugmentParams that change nothing except what is given."""
    neutral = {name: torch.ones(clips) for name in ("scale", "brightness", "contrast", "saturation")}
    neutral["erased"] = torch.zeros(clips, 4)
    neutral |= {name: torch.zeros(clips) for name in ("x", "y")} | {"flip": torch.zeros(clips, dtype=torch.bool)}
    return AugmentParams(**{**neutral, **{name: torch.tensor(value) for name, value in changes.items()}})


def look(frames: torch.Tensor, chosen: AugmentParams, crop: int | None = None) -> torch.Tensor:
    """Augment without normalising: fractions of white."""
    return augment(frames, chosen, mean=(0, 0, 0), std=(1, 1, 1), crop=crop)


def noise(clips: int = 2, segments: int = 2, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (clips, segments, 3, size, size), dtype=torch.uint8, generator=generator)


def plain(color: tuple[int, int, int], size: int = 4) -> torch.Tensor:
    return torch.tensor(color, dtype=torch.uint8).view(1, 1, 3, 1, 1).expand(1, 1, 3, size, size)


def test_neutral_params_change_nothing_but_the_type() -> None:
    assert torch.allclose(look(noise(), params(2)), noise().float() / 255, atol=1e-6)


def test_only_the_clips_that_are_flipped_are_mirrored() -> None:
    frames = noise()
    out = look(frames, params(2, flip=[True, False])) * 255
    assert torch.allclose(out[0], frames[0].flip(-1).float(), atol=1e-3)
    assert torch.allclose(out[1], frames[1].float(), atol=1e-3)


def test_a_crop_of_half_the_side_shows_the_chosen_corner() -> None:
    frames = torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8)
    frames[..., 4:, :4] = 255  # lower left
    corner = {"scale": [0.5], "x": [-1.0], "y": [1.0]}
    assert look(frames, params(**corner))[..., 1:, :-1].min() == 1  # bilinear: the inner edges mix with their outside
    assert look(frames, params(scale=[0.5], x=[1.0], y=[1.0]))[..., 1:].max() == 0


def test_a_crop_at_the_edge_ends_with_the_frame() -> None:
    """Columns 0 to 7 hold 0 to 70: half of them, blown up twice, are read every half a column, held at the border."""
    frames = (10 * torch.arange(8, dtype=torch.uint8)).expand(1, 1, 3, 8, 8)
    left, right = (look(frames, params(scale=[0.5], x=[x]))[0, 0, 0, 0] * 255 for x in (-1.0, 1.0))
    assert left.tolist() == pytest.approx([0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 32.5], abs=1e-3)
    assert right.tolist() == pytest.approx([37.5, 42.5, 47.5, 52.5, 57.5, 62.5, 67.5, 70], abs=1e-3)


@pytest.mark.parametrize(
    ("place", "corner"),
    [(-1.0, 0), (-0.51, 0), (-0.49, 1), (-0.01, 1), (0.01, 2), (0.49, 2), (0.51, 3), (0.999, 3), (1.0, 3)],
)
def test_a_crop_of_5_of_8_pixels_is_one_of_four_pieces_pixel_for_pixel(place: float, corner: int) -> None:
    frames = noise()
    out = look(frames, params(2, x=[place] * 2, y=[-place] * 2), crop=5) * 255
    top = 3 - corner
    assert out.shape == (2, 2, 3, 5, 5)
    assert torch.allclose(out, frames[..., top : top + 5, corner : corner + 5].float(), atol=1e-2)


def test_a_crop_is_mirrored_where_it_is() -> None:
    frames = noise()
    out = look(frames, params(2, flip=[True, True], x=[-1.0] * 2, y=[-1.0] * 2), crop=5) * 255
    assert torch.allclose(out, frames[..., :5, :5].flip(-1).float(), atol=1e-2)


def test_the_multi_scale_crop_is_relative_to_the_crop() -> None:
    """Half of 4 pixels of 8 is 2 pixels, blown up to 4: of columns 0, 10, 20, ... those from 60 on, every half one."""
    frames = (10 * torch.arange(8, dtype=torch.uint8)).expand(1, 1, 3, 8, 8)
    out = look(frames, params(scale=[0.5], x=[1.0]), crop=4)[0, 0, 0, 0] * 255
    assert out.tolist() == pytest.approx([57.5, 62.5, 67.5, 70], abs=1e-3)


def test_a_crop_as_large_as_the_frame_is_none() -> None:
    frames, chosen = noise(), params(2, scale=[0.66, 1.0], x=[0.3, 0.2], y=[-0.7, 0.1], flip=[True, False])
    assert torch.equal(look(frames, chosen), look(frames, chosen, crop=8))


def test_all_frames_of_a_clip_are_cropped_at_one_place() -> None:
    frames = noise(clips=1, segments=1).expand(1, 6, 3, 8, 8)
    drawn = draw_augment_params(1, TrainSettings(crop=5), np.random.default_rng(3), device=CPU)
    out = look(frames, drawn, crop=5)
    assert torch.equal(out, out[:, :1].expand_as(out))


def test_motion_in_a_crop_is_as_long_as_stored() -> None:
    fields = field([[8, 1, 1, 1]] * 4)
    cut = augment(fields, params(x=[-1.0], y=[-1.0]), mean=(0, 0), std=(1, 1), crop=2) * 127
    assert cut[0, 0, 0].round().tolist() == [[8, 1], [8, 1]]


def test_each_clip_has_a_blank_of_its_own_shape() -> None:
    settings = replace(TrainSettings(), random_erasing=1.0)
    blanks = draw_augment_params(40, settings, np.random.default_rng(0), device=CPU).erased
    sides = blanks[:, 2:] - blanks[:, :2]
    aspects = sides[:, 0] / sides[:, 1]
    assert aspects.min() < 0.6
    assert aspects.max() > 1.6
    assert sides.prod(dim=1).unique().numel() == blanks[:, 0].unique().numel() == aspects.unique().numel() == 40


def test_flip_and_crop_show_the_mirror_of_the_crop() -> None:
    frames = noise()
    crop = {"scale": [0.75, 0.75], "x": [0.3, -1.0], "y": [-0.2, 1.0]}
    assert torch.allclose(
        look(frames, params(2, flip=[True, True], **crop)), look(frames, params(2, **crop)).flip(-1), atol=1e-5
    )


def test_brightness_multiplies() -> None:
    assert look(plain((100, 50, 0)), params(brightness=[1.2]))[0, 0, :, 0, 0].tolist() == pytest.approx(
        [120 / 255, 60 / 255, 0]
    )


def test_brightness_stops_at_white() -> None:
    assert look(plain((250, 250, 250)), params(brightness=[1.2])).max() == 1


def test_no_saturation_is_grey() -> None:
    grey = (0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255
    out = look(plain((200, 100, 50)), params(saturation=[0.0]))
    assert out.flatten().tolist() == pytest.approx([grey] * out.numel())


def test_no_contrast_is_the_mean_of_the_clip_not_of_the_frame() -> None:
    frames = torch.cat([plain((0, 0, 0)), plain((100, 100, 100))], dim=1)  # two segments of one clip
    out = look(frames, params(contrast=[0.0]))
    assert out.flatten().tolist() == pytest.approx([50 / 255] * out.numel(), rel=1e-5)


def test_normalise_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    out = normalise(plain((255, 0, 51)), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    assert out[0, 0, :, 0, 0].tolist() == pytest.approx([1, -1, 0.2])


def test_augmented_frames_are_normalised_as_validation_frames_are() -> None:
    scale = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    assert torch.allclose(augment(noise(), params(2), **scale), normalise(noise(), **scale), atol=1e-5)


def test_black_and_white_stay_the_ends_of_the_scale_when_normalised() -> None:
    bright = augment(plain((255, 255, 255)), params(brightness=[1.9]), mean=(0.5, 0.5, 0.5), std=(0.5, 0.25, 0.1))
    assert bright[0, 0, :, 0, 0].tolist() == pytest.approx([1, 2, 5])


@pytest.mark.parametrize("kind", ["frames", "fields"])
def test_all_frames_of_a_clip_are_varied_alike(kind: str) -> None:
    still = noise(clips=4, segments=1, size=16).expand(-1, 16, -1, -1, -1)  # 16 frames that are the same
    stored = still if kind == "frames" else still[:, :, :2].to(torch.int8)
    settings = TrainSettings(random_erasing=0.9, color_jitter=0.4, mixup=0.4)
    rng = np.random.default_rng(0)
    drawn = draw_augment_params(4, settings, rng, device=torch.device("cpu"))
    varied = augment(stored, drawn, mean=(0.5,) * stored.shape[2], std=(0.2,) * stored.shape[2])
    mixed = mixup(varied, torch.tensor([0, 1, 0, 1]), classes=2, alpha=settings.mixup, rng=rng).frames
    assert torch.equal(mixed, mixed[:, :1].expand_as(mixed))
    assert not torch.equal(varied[0], varied[1])


def test_mixup_blends_frames_and_targets_alike() -> None:
    frames = torch.zeros(2, 1, 3, 2, 2)
    frames[1] = 1
    for seed in range(20):
        mixed = mixup(frames, torch.tensor([0, 2]), classes=3, alpha=1.0, rng=np.random.default_rng(seed))
        assert mixed.targets.sum(dim=1).tolist() == pytest.approx([1, 1])
        assert mixed.targets[:, 2].tolist() == pytest.approx(mixed.frames[:, 0, 0, 0, 0].tolist())
        assert mixed.targets[0, 0] >= 0.5
        assert mixed.targets[1, 2] >= 0.5


def test_mixup_with_alpha_0_is_one_hot() -> None:
    frames = torch.rand(2, 1, 3, 2, 2)
    mixed = mixup(frames, torch.tensor([1, 0]), classes=2, alpha=0, rng=np.random.default_rng(0))
    assert mixed.targets.tolist() == [[0, 1], [1, 0]]
    assert mixed.frames is frames


def test_switches_that_are_off_draw_neutral_params() -> None:
    off = TrainSettings(**SAME_PIXELS)
    drawn = draw_augment_params(50, off, np.random.default_rng(0), device=CPU)
    assert not drawn.flip.any()
    assert not drawn.erased.any()
    for values in (drawn.scale, drawn.brightness, drawn.contrast, drawn.saturation):
        assert values.tolist() == [1.0] * 50


def test_a_rectangle_is_blanked_in_all_segments_of_its_clip() -> None:
    frames = torch.full((2, 3, 3, 8, 8), 255, dtype=torch.uint8)
    out = augment(
        frames, params(2, erased=[[0.25, 0.5, 0.75, 1.0], [0, 0, 0, 0]]), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )
    expected = torch.ones(8, 8)
    expected[4:, 2:6] = 0  # the mean colour
    assert torch.allclose(out[0], expected.expand(3, 3, 8, 8))
    assert torch.equal(out[1], torch.ones(3, 3, 8, 8))


def test_rectangles_are_drawn_for_the_wanted_part_of_the_clips_and_within_the_frame() -> None:
    drawn = draw_augment_params(4000, TrainSettings(random_erasing=0.25), np.random.default_rng(0), device=CPU)
    left, top, right, bottom = drawn.erased[drawn.erased.any(dim=1)].unbind(1)
    assert 0.22 < len(left) / 4000 < 0.28
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) <= 1
    area = (right - left) * (bottom - top)
    assert 0.0199 < area.min() < 0.03
    assert 0.3 < area.max() < 0.3334


def test_erasing_changes_no_other_draw() -> None:
    plain, erasing = (
        draw_augment_params(9, TrainSettings(random_erasing=p), np.random.default_rng(0), device=CPU) for p in (0, 1)
    )
    assert torch.equal(plain.saturation, erasing.saturation)
    assert torch.equal(plain.x, erasing.x)


def test_params_are_drawn_per_clip_from_the_whole_range() -> None:
    drawn = draw_augment_params(2000, TrainSettings(), np.random.default_rng(0), device=CPU)
    assert 0.45 < drawn.flip.float().mean() < 0.55
    assert sorted(set(drawn.scale.tolist())) == pytest.approx([0.66, 0.75, 0.875, 1.0])
    assert 0.8 <= drawn.brightness.min() < 0.81
    assert 1.19 < drawn.brightness.max() <= 1.2


def test_the_same_generator_draws_the_same_params() -> None:
    first, second = (
        draw_augment_params(9, TrainSettings(), np.random.default_rng((1, 2)), device=CPU) for _ in range(2)
    )
    assert torch.equal(look(noise(9), first), look(noise(9), second))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_augmentation_stays_within_the_range_of_the_frames(seed: int) -> None:
    drawn = draw_augment_params(2, TrainSettings(color_jitter=0), np.random.default_rng(seed), device=CPU)
    frames = noise().clamp(30, 200)
    out = look(frames, drawn) * 255
    assert out.min() >= 30 - 1e-3
    assert out.max() <= 200 + 1e-3


def field(values: list[list[int]], clips: int = 1) -> torch.Tensor:
    """Motion fields of one segment: x as given, y twice as fast; int8, (clips, 1, 2, rows, columns)."""
    x = torch.tensor(values, dtype=torch.int8)
    return torch.stack((x, 2 * x)).expand(clips, 1, 2, *x.shape)


def steps(fields: torch.Tensor, chosen: AugmentParams) -> torch.Tensor:
    """Augmented fields in stored steps."""
    return augment(fields, chosen, mean=(0, 0), std=(1, 1)) * 127


def test_flipped_field_is_mirrored_and_x_goes_the_other_way() -> None:
    fields = field([[1, 2, 3, 4]] * 4, clips=2)
    kept, flipped = steps(fields, params(2, flip=[False, True])).round()[:, 0]
    assert torch.equal(kept, fields[0, 0].float())
    assert flipped[0, 0].tolist() == [-4, -3, -2, -1]
    assert flipped[1, 0].tolist() == [8, 6, 4, 2]


def test_motion_is_twice_as_long_in_a_crop_of_half_the_side() -> None:
    near = steps(field([[8] * 4] * 4), params(scale=[0.5], x=[-1.0], y=[-1.0]))[0, 0]
    assert near[0].unique().tolist() == pytest.approx([16])
    assert near[1].unique().tolist() == pytest.approx([32])


def test_a_field_is_augmented_like_its_frame() -> None:
    """A bright quarter that moves: after crop and flip the same cells are bright and move."""
    frames, fields = torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 1, 2, 8, 8, dtype=torch.int8)
    frames[..., :4, 4:] = 200
    fields[..., :4, 4:] = 20
    chosen = params(flip=[True], scale=[0.75], x=[1.0], y=[-1.0])
    bright, moving = look(frames, chosen)[0, 0, 0], steps(fields, chosen)[0, 0]
    assert torch.allclose(bright * 255 / 200, -moving[0] * 0.75 / 20, atol=1e-5)
    assert torch.allclose(bright * 255 / 200, moving[1] * 0.75 / 20, atol=1e-5)


def test_colour_jitter_does_not_change_motion() -> None:
    fields = field([[8, -8]] * 2)
    assert torch.equal(
        steps(fields, params(brightness=[2.0], contrast=[0.5], saturation=[0.0])), steps(fields, params())
    )


def test_networks_of_motion_get_pixels_per_frame() -> None:
    """A stored step is a sixteenth of a pixel, for training and testing alike."""
    fields = field([[16, -40]] * 2)
    for seen in (
        normalise(fields, mean=MOTION_MEAN, std=MOTION_STD),
        augment(fields, params(), mean=MOTION_MEAN, std=MOTION_STD),
    ):
        assert seen[0, 0, 0, 0].tolist() == pytest.approx([1, -2.5])
        assert seen[0, 0, 1, 0].tolist() == pytest.approx([2, -5])
