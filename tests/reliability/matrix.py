"""All conditions, and what every command does in each of them."""

from __future__ import annotations

import errno
import sqlite3
from typing import Any

from tests.reliability.conditions import (
    Apply,
    Condition,
    broken,
    checkpoint_with,
    dangling,
    forbidden,
    full_disk,
    no_locks,
    no_writing,
    of_another_kind,
    other_schema,
    parts,
    read_only_disk,
    refused,
    settings_with,
    shape_of,
    spoilt,
    table_dropped,
)
from tests.reliability.refusals import refused_call, refused_database, refused_opening

EARLY = ("workspace", "settings", "manifest", "lock")  # is looked at before anything is written

# Commands by what they cannot do without. What is not named reads the thing, if at all, for what is left over.
STAGES = "transcode extract-mv precrop run retry export"
SETTINGS = f"status verify show gallery predict export-npy import-npy init ablate {STAGES}"
MANIFEST = f"advise coverage {SETTINGS}"
WORKSPACE = f"pull push eval export-model train demo {MANIFEST}"
CACHE = "status eval bench train precrop run retry export push"
CACHES = f"{CACHE} ablate pull"
LOCK = f"import-npy init ablate {STAGES}"
WRITING = f"pull eval export-model coverage import-npy train init ablate {STAGES}"  # others are not

NEEDED: dict[str, tuple[str, str]] = {  # by part of a place: who fails if it is forbidden, and if it is another thing
    "workspace": (f"bench {WORKSPACE}", WORKSPACE),
    "caches": (CACHES, CACHES),
    "cache": (CACHE, CACHE),
    "runs": ("status eval predict export-model train ablate", "status eval predict export-model train ablate"),
    "run": ("status eval predict export-model", "eval predict export-model"),
    "h264": ("show gallery transcode run retry", "show transcode run retry"),
    "motion": (
        "show gallery advise coverage export-npy extract-mv run retry",
        "advise coverage export-npy extract-mv run retry",
    ),
    "motion-shard": ("show gallery advise coverage export-npy", "advise coverage"),
    "reports": ("eval coverage ablate", "eval coverage ablate"),
    "dataset": ("init transcode run retry export", "init transcode run retry export"),
    "class": ("", ""),
    "maps": ("import-npy", "import-npy"),
    "clip": ("", ""),
    "settings": (f"doctor {SETTINGS}", f"eval export-model train {MANIFEST}"),
    "manifest": (f"doctor {MANIFEST}", f"doctor {MANIFEST}"),
    "lock": (LOCK, LOCK),
    "cache-json": (CACHE, CACHE),
    "state-json": ("eval bench train retry export push", "eval bench train retry export push"),
    "column": ("eval bench train export push", "eval bench train retry push"),
    "frames": ("eval bench train push", "eval bench train retry push"),
    "motion-json": ("show gallery advise coverage export-npy", "show gallery advise coverage export-npy"),
    "best": ("eval predict export-model", "eval predict export-model"),
    "last": ("", ""),
    "boxes": ("coverage", "coverage"),
}


def _rights(part: str) -> Condition:
    def apply(place: Any) -> Any:
        return forbidden(parts(place)[part])

    fine = "transcode" if part in ("clip", "class") else "status verify"
    return Condition(
        name=f"forbidden {part}", apply=apply, fails=NEEDED[part][0], needs="rights", fine=fine, early=part in EARLY
    )


def _kind(part: str) -> Condition:
    apply = broken(lambda place: of_another_kind(parts(place)[part]))
    return Condition(name=f"another kind of {part}", apply=apply, fails=NEEDED[part][1], early=part in EARLY)


def _link(part: str) -> Condition:
    """A link that leads nowhere, for a folder and a file of each sort."""
    fails = {
        "cache": CACHE,
        "motion": "advise coverage export-npy extract-mv run retry",
        "motion-shard": "advise coverage extract-mv run retry",
        "settings": f"eval export-model train {MANIFEST}".replace("init ", ""),
        "column": "eval bench train",
        "frames": "eval bench train",
    }
    apply = broken(lambda place: dangling(parts(place)[part]))
    return Condition(name=f"dangling {part}", apply=apply, fails=fails.get(part, NEEDED[part][1]), early=part in EARLY)


def _circle(part: str) -> Condition:
    """A link that leads to itself."""
    apply = broken(lambda place: dangling(parts(place)[part], loop=True))
    fails = "init" if part in ("workspace", "dataset") else ""
    return Condition(name=f"circle of {part}", apply=apply, fails=fails, fine="")


def _spoilt(part: str, how: str, fails: str, says: str = "") -> Condition:
    apply = broken(lambda place: spoilt(parts(place)[part], how))
    return Condition(name=f"{how} {part}", apply=apply, fails=fails, says=says, early=part in EARLY)


def _toml(name: str, old: str, new: str, says: str, *, top: bool = False) -> Condition:
    fails = f"init {STAGES} status" if top else "status transcode run"
    return Condition(name=f"settings: {name}", apply=settings_with(old, new), fails=fails, says=says, early=True)


def _refused(number: int, what: str, fails: str) -> Condition:
    name = f"{errno.errorcode[number]} of {what}"
    return Condition(name=name, apply=lambda _: refused(number, what), fails=fails)


def _disk(name: str, apply: Apply, fails: str, says: str = "", needs: str = "mounts") -> Condition:
    return Condition(name=name, apply=apply, fails=fails, says=says, needs=needs, fine="status verify show gallery")


def _system(name: str, apply: Apply, fails: str = "") -> Condition:
    return Condition(name=name, apply=apply, fails=fails, fine="")


_NUMBERS = (errno.EACCES, errno.EIO, errno.ENOSPC, errno.EMFILE)
_SYSTEM = (
    *(_system(f"{errno.errorcode[n]} of open", refused_opening(n, writing=False)) for n in _NUMBERS),
    *(_system(f"{errno.errorcode[n]} of open to write", refused_opening(n, writing=True)) for n in _NUMBERS),
    *(
        _system(f"{errno.errorcode[n]} of {what} {after}", refused_call(n, what, after=after))
        for n in _NUMBERS
        for what in ("mkdir", "scandir", "stat", "listdir")
        for after in (0, 5)
    ),
    *(
        _system(f"{errno.errorcode[n]} of open after {after}", refused_opening(n, writing=writing, after=after))
        for after, writing in ((1, True), (4, False), (12, False), (40, False))
        for n in (errno.EIO, errno.EMFILE)
    ),
    *(
        _system(f"error {code} of SQLite after {after}", refused_database(code, after=after))
        for code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY)
        for after in (0, 1, 2, 3, 4, 5, 6, 8, 20)
    ),
)
TABLE = r"^\[transcode\].*"  # to the end of the file
UNKNOWN = ", which mocrop does not know; perhaps"
CONDITIONS: tuple[Condition, ...] = (
    *(_rights(part) for part in NEEDED),
    *(_kind(part) for part in NEEDED),
    *(_link(part) for part in ("workspace", "caches", "cache", "runs", "h264", "motion", "dataset", "settings")),
    *(_link(part) for part in ("manifest", "lock", "frames", "best", "boxes")),
    *(_circle(part) for part in NEEDED),
    _disk("folders without the right to write", lambda place: no_writing(place.work), f"bench {WRITING}", "", "rights"),
    _disk("read-only disk", lambda place: read_only_disk(place.work), f"bench {WRITING}", "ead-only"),
    _disk("full disk", lambda place: full_disk(place.work), f"{WRITING}", "no space is left"),
    *(
        _refused(errno.ENOSPC, what, f"eval export-model train coverage transcode {extra}")
        for what, extra in (("fsync", ""), ("replace", "run"))
    ),
    *(
        _refused(number, "fsync", "eval export-model train coverage")
        for number in (errno.EDQUOT, errno.EIO, errno.ESTALE)
    ),
    Condition(name="no locks", apply=lambda _: no_locks(), fails="", fine=f"status verify init train {STAGES}"),
    *_SYSTEM,
    _spoilt("manifest", "empty", MANIFEST.replace("init ", "")),
    _spoilt("manifest", "half", MANIFEST, "manifest.sqlite cannot be used"),
    _spoilt("manifest", "garbage", MANIFEST, "manifest.sqlite cannot be used"),
    Condition(
        name="manifest without tables",
        apply=broken(lambda place: table_dropped(parts(place)["manifest"])),
        fails=MANIFEST,
        early=True,
        says="manifest.sqlite cannot be used",
    ),
    Condition(
        name="manifest of another schema",
        apply=broken(lambda place: other_schema(parts(place)["manifest"])),
        fails=MANIFEST,
        early=True,
        says="manifest.sqlite has schema 99",
    ),
    *(_spoilt("best", how, "eval export-model", "best.pt") for how in ("empty", "half", "garbage")),
    *(_spoilt("cache-json", how, CACHE, "motion-32.zarr") for how in ("empty", "half")),
    *(_spoilt(part, "half", "eval bench train") for part in ("column", "frames")),
    *(
        Condition(
            name=f"checkpoint: {key}",
            apply=checkpoint_with(**{key: value}),
            fails="eval export-model",
            says=f"({key} must be",
        )
        for key, value in {
            "arch": ["resnet50"],
            "class_names": None,
            "size": "big",
            "mean": "grey",
            "settings": [],
            "cache": None,
            "epoch": "one",
            "metrics": 3,
            "state_dict": [1, 2],
            "resume": [1],
            "input": 7,
        }.items()
    ),
    *(
        Condition(name=f"{store} of 2^{power} clips", apply=shape_of(store, 1 << power), fails=fails)
        for store, fails in (("cache", "eval bench train"), ("motion-shard", "show advise coverage"))
        for power in (40, 62)
    ),
    _toml(
        "unknown table",
        TABLE,
        "[trancode]\ncrf = 3\n",
        f"[trancode]{UNKNOWN} 'transcode'",
        top=True,
    ),
    _toml(
        "table of another spelling",
        TABLE,
        "[extract_mv]\n",
        f"[extract_mv]{UNKNOWN} 'extract-mv'",
    ),
    _toml(
        "unknown key",
        "^seed.*?$",
        "seed = 0\ndatset = 3",
        f"'datset'{UNKNOWN} 'dataset'",
        top=True,
    ),
    _toml("dataset = 3", "^dataset.*?$", "dataset = 3", "dataset must be text in quotes, not 3", top=True),
    _toml("no dataset", "^dataset.*?$", "", "names no data set", top=True),
    _toml("seed = 2^70", "^seed.*?$", f"seed = {1 << 70}", "seed must be at least", top=True),
    _toml("seed = 1.5", "^seed.*?$", "seed = 1.5", "seed must be a whole number, not 1.5", top=True),
    _toml("transcode = 3", "^seed(.*?)$.*", r"seed\1\ntranscode = 3", "transcode must be a table", top=True),
    _toml("no TOML", TABLE, "[[", "mocrop.toml", top=True),
    _toml("crf = 'x'", TABLE, "[transcode]\ncrf = 'x'\n", "[transcode]: crf must be a whole number, not 'x'"),
    _toml("crf = 99", TABLE, "[transcode]\ncrf = 99\n", "[transcode]: crf must be at least 0 and at most 51, not 99"),
    _toml("crff", TABLE, "[transcode]\ncrff = 9\n", "[transcode] has no setting 'crff'; perhaps 'crf' is meant"),
    _toml("preset", TABLE, "[transcode]\npreset = 'quick'\n", "[transcode]: preset must be"),
    _toml("key_interval", TABLE, "[transcode]\nkey_interval = 99999999999\n", "[transcode]: key_interval must be"),
    _toml("source", TABLE, "[extract-mv]\nsource = 'x'\n", "[extract-mv]: source must be"),
    _toml("max_damaged", TABLE, "[extract-mv]\nmax_damaged = nan\n", "[extract-mv]: max_damaged must be"),
    _toml("grid", TABLE, "[import-npy]\nfolder = 'maps'\ngrid = [6]\n", "[import-npy]: grid must be"),
)
