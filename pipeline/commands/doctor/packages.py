"""The packages that mocrop depends on: which are there, which are too old, and what each command goes without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from types import MappingProxyType

from packaging.requirements import Requirement

from mocrop.pipeline.commands.doctor.finding import Finding, State

FOR_DEVELOPERS = frozenset({"test", "bench", "dev"})  # extras
_TRAINING = "train, eval, ablate, flops and demo"
NEEDED_BY: Mapping[str, str] = MappingProxyType(  # commands that need it; what is not here, all need
    {
        "torch": _TRAINING,
        "torchvision": _TRAINING,
        "timm": _TRAINING,
        "safetensors": _TRAINING,
        "fvcore": "eval, flops and ablate",
        "matplotlib": "show, gallery, train, eval, coverage, ablate and demo",
    }
)
EXTRA_FOR: Mapping[str, str] = MappingProxyType(
    {
        "weights": "train --weights lite0",
        "cloud": "caches and data at addresses, such as s3://",
        "boxes": "coverage --boxes with a .mat file",
        "tensorboard": "train --tensorboard",
    }
)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that is wanted, and what is there of it."""

    name: str
    wanted: str  # as pyproject.toml has it, such as ">=2.0"; empty: any version
    there: str | None  # its version; None: it is not installed
    extra: str = ""  # of mocrop, that wants it; empty: mocrop itself

    @property
    def fits(self) -> bool:
        """Whether it is there and new enough."""
        return self.there is not None and Requirement(f"{self.name}{self.wanted}").specifier.contains(
            self.there, prereleases=True
        )


def wanted_packages() -> list[Package]:
    """What the metadata of mocrop ask for on this system: its dependencies, then those of its extras for users."""
    requirements = [Requirement(line) for line in requires("mocrop") or ()]
    extras = [name for name in metadata("mocrop").get_all("Provides-Extra") or () if name not in FOR_DEVELOPERS]
    found = [_package(each, "") for each in requirements if _applies(each, "")]
    for extra in extras:
        found += [_package(each, extra) for each in requirements if not _applies(each, "") and _applies(each, extra)]
    return [each for each in found if each.name != "mocrop"]


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _package(requirement: Requirement, extra: str) -> Package:
    try:
        there: str | None = version(requirement.name)
    except PackageNotFoundError:
        there = None
    return Package(name=requirement.name, wanted=str(requirement.specifier), there=there, extra=extra)


def packages() -> Iterator[Finding]:
    """One row for the dependencies that are as they should be, one for each that is not, and one for each extra."""
    wanted = wanted_packages()
    own = [each for each in wanted if not each.extra]
    good = [each for each in own if each.fits]
    listed = ", ".join(f"{each.name} {each.there}" for each in good)
    facts = {"packages": [vars(each) for each in wanted]}
    yield Finding(name="packages", state=State.OK, fact=listed or "none is as it should be", facts=facts)
    yield from (_not_as_wanted(each) for each in own if not each.fits)
    for extra in dict.fromkeys(each.extra for each in wanted if each.extra):
        yield _of_extra(extra, [each for each in wanted if each.extra == extra])


def _not_as_wanted(package: Package) -> Finding:
    commands = NEEDED_BY.get(package.name)
    there = "is not installed" if package.there is None else f"{package.there} is older than {package.wanted}"
    return Finding(
        name=f"package {package.name}",
        state=State.MISSING,
        fact=f"{there}; needed by {commands or 'every command'}",
        way_out=f"pip install '{package.name}{package.wanted}'",
        stops=commands is None,
    )


def _of_extra(extra: str, packages: list[Package]) -> Finding:
    purpose = EXTRA_FOR.get(extra, f"what the extra {extra} is for")
    if all(each.fits for each in packages):
        listed = ", ".join(f"{each.name} {each.there}" for each in packages)
        return Finding(name=f"extra {extra}", state=State.OK, fact=f"{listed}, for {purpose}")
    lacking = ", ".join(each.name for each in packages if not each.fits)
    way_out = f"pip install 'mocrop[{extra}]'"
    return Finding(name=f"extra {extra}", state=State.NOTE, fact=f"no {lacking}, for {purpose}", way_out=way_out)
