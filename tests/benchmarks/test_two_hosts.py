"""Two hosts without a common disk, in small: videos of a few frames, and the same things happen to the hosts."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.benchmarks.modules import ROOT, benchmark_module
from tests.conftest import MakeVideo

hosts, two_hosts = benchmark_module("hosts"), benchmark_module("two_hosts")
CLIPS = 36  # three shards


@pytest.fixture
def able(hosts: ModuleType) -> None:
    if missing := [name for name in ("moto", "s3fs") if find_spec(name) is None]:
        pytest.skip(f"{' and '.join(missing)} is not installed")
    if reason := hosts.why_not():
        pytest.skip(reason)


@pytest.mark.usefixtures("able")
def test_two_hosts_that_are_cut_off_and_killed_make_the_bytes_of_one_machine(
    two_hosts: ModuleType, tmp_path: Path, make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(two_hosts, "SECONDS_CUT_OFF", 3.0)
    for n in range(CLIPS):
        make_video(tmp_path / "videos" / "AB"[n % 2] / f"v_g{n:02d}_c01.mp4")
    result = two_hosts.run_on_two_hosts(tmp_path / "videos", tmp_path / "run")
    assert (result["clips"], result["shards"], result["differ"]) == (CLIPS, 3, [])
    assert result["objects"] > 3 * 5
    assert result["events"][-1]["what"] == "exit code 0"
    assert result["events"][-1]["shards"] == 3


@pytest.mark.usefixtures("able")
def test_hosts_have_disks_of_their_own_and_nothing_of_them_stays(hosts: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    (tmp_path / "client/secret").touch()
    with hosts.separate_hosts(tmp_path, names=["a", "b"], hidden=[tmp_path / "client"]) as (_, made):
        namespaces = [host.namespace for host in made]
        for host in made:
            (host.outside / "mine").write_text(host.name)
            look = f"ls {tmp_path / 'client'} {host.outside.parent}; cat mine; echo; uname -n; sleep 600"
            process = host.start(["sh", "-c", look], env={}, log="log")
        for host in made:
            hosts.wait_until(
                lambda host=host: said(host).split()[-2:] == [host.name] * 2, seconds=60, what="a program on a host"
            )
            listed = said(host).split()
            assert listed[-2:] == [host.name, host.name]  # its own disk, its own name
            assert listed[:-2] == [f"{tmp_path / 'client'}:", f"{host.outside.parent}:"]  # and nothing in the others
    assert process.returncode is not None
    assert not [name for name in namespaces if name in hosts._ip("netns", "list")]


def said(host: SimpleNamespace) -> str:
    return str((host.outside / "log").read_text()).strip()


def test_the_log_in_the_documentation_is_the_saved_one(
    two_hosts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody edits it by hand."""
    page = tmp_path / "scale-out.md"
    page.write_text(two_hosts.PAGE.read_text())
    saved = json.loads(two_hosts.SAVED.read_text())
    two_hosts.write_shown(saved, page)
    assert page.read_text() == (ROOT / "docs/scale-out.md").read_text()
    assert saved["differ"] == []
