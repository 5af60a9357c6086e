"""Which clips go into which shard."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocrop.pipeline.errors import SettingsError
from mocrop.pipeline.export.base import ClipInfo
from mocrop.pipeline.export.shard_plan import MEGABYTE, shard_count, shard_spans
from mocrop.pipeline.export.webdataset import WebdatasetSettings, places

SETTINGS = WebdatasetSettings(size=32, shard_mb=1, clip_bytes=300_000)  # three clips a shard


def clip(number: int, *subsets: str) -> ClipInfo:
    return ClipInfo(place=f"Run/clip{number}", labels=("Run",), label_numbers=(0,), subsets=subsets, group=-1)


@given(st.integers(0, 500), st.integers(1, 50))
def test_spans_hold_every_clip_once_and_differ_by_one_at_most(clips: int, shards: int) -> None:
    spans = shard_spans(clips, shards=shards)
    assert [number for span in spans for number in span] == list(range(clips))
    assert max(map(len, spans)) - min(map(len, spans)) <= 1


@given(st.integers(1, 5000), st.integers(1, 10 * MEGABYTE), st.floats(0.01, 500))
def test_as_few_shards_as_keep_to_the_limit(clips: int, clip_bytes: int, shard_mb: float) -> None:
    """Only a clip that alone is larger than a shard may be is in one that is too large."""
    shards = shard_count(clips, clip_bytes=clip_bytes, shard_mb=shard_mb)
    largest = -(-clips // shards)
    assert largest == 1 or largest * clip_bytes <= shard_mb * MEGABYTE
    assert shards == 1 or -(-clips // (shards - 1)) * clip_bytes > shard_mb * MEGABYTE


def test_subsets_have_shards_of_their_own_and_every_clip_is_in_one() -> None:
    clips = [clip(number, "train" if number < 7 else "test") for number in range(10)]
    found = places(clips, SETTINGS, ["1"])
    assert sorted(set(found[:7])) == ["train-000000", "train-000001", "train-000002"]
    assert set(found[7:]) == {"test-000000"}
    assert found != sorted(found[:7]) + found[7:]  # not in the order of the data set


def test_another_seed_makes_another_plan_and_the_same_the_same() -> None:
    clips = [clip(number, "train") for number in range(30)]
    plan = places(clips, SETTINGS, ["1"])
    assert places(clips, SETTINGS, ["1"]) == plan
    assert places(clips, replace(SETTINGS, shuffle_seed=1), ["1"]) != plan


def test_the_split_says_the_subsets_by_name_or_number_and_what_is_in_no_list_is_kept_apart() -> None:
    clips = [clip(0, "train", "test"), clip(1, "val", ""), clip(2, "", "train")]
    by_number = [each.partition("-")[0] for each in places(clips, replace(SETTINGS, split="2"), ["a", "b"])]
    assert by_number == ["test", "unlisted", "train"]
    assert places(clips, replace(SETTINGS, split="a"), ["a", "b"]) == ["train-000000", "val-000000", "unlisted-000000"]


def test_clips_without_splits_are_all_unlisted_and_a_split_that_is_not_there_is_refused() -> None:
    assert places([clip(0), clip(1)], SETTINGS, []) == ["unlisted-000000"] * 2
    with pytest.raises(SettingsError, match=r"there is no split '3'; the splits are a, b"):
        places([clip(0, "train", "test")], replace(SETTINGS, split="3"), ["a", "b"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sample": "mp4", "quality": 80}, "quality does not go with --sample mp4"),
        ({"crf": 30}, "crf does not go with --sample frames"),
        ({"shard_mb": 0}, "shard_mb must be above 0"),
        ({"shuffle_seed": -1}, "shuffle_seed"),
        ({"licence": "CC BY"}, "such as cc-by-4.0"),
        ({"source_url": "javascript:alert(1)"}, "such as https://example.org"),
        ({"source_url": "https://x.org/a> <b"}, "such as https://example.org"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WebdatasetSettings(size=32, **settings)  # type: ignore[arg-type]
