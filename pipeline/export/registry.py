"""The table of all forms of export by name, where a new one is one entry."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mocrop.pipeline.errors import MocropError, SettingsError
from mocrop.pipeline.export.base import ExportSettings
from mocrop.pipeline.export.form import Form
from mocrop.pipeline.export.frames import FRAMES
from mocrop.pipeline.export.huggingface import HUGGINGFACE
from mocrop.pipeline.export.mp4 import MP4
from mocrop.pipeline.export.webdataset import WEBDATASET
from mocrop.pipeline.settings import Plain, unknown_settings
from mocrop.pipeline.stages.stored_settings import settings_of
from mocrop.pipeline.versions import not_known

FORMS: Mapping[str, Form] = MappingProxyType(
    {"mp4": MP4, "frames": FRAMES, "webdataset": WEBDATASET, "huggingface": HUGGINGFACE}
)


def form_settings(form: str, options: Mapping[str, Any], *, defaults: Mapping[str, Any]) -> Any:
    """The settings of a form from options of the command.

    Args:
        form: a key of FORMS.
        options: those given, of any form, by the name of the field.
        defaults: for what is not given, where the form has such a field.
    Raises: SettingsError naming an option of another form, or a value that is invalid.
    """
    fields = _fields(form)
    for name in options:
        if name not in fields:
            has = " or ".join(each for each in FORMS if name in _fields(each))
            raise SettingsError(f"--{name.replace('_', '-')} goes with --to {has}, not with --to {form}")
    known = {name: value for name, value in defaults.items() if name in fields}
    try:
        return FORMS[form].settings(**{**known, **options})
    except (TypeError, ValueError) as error:
        raise SettingsError(f"--to {form}: {error}") from error


def options_of_forms() -> set[str]:
    """Names of all options that are for some form."""
    return {name for form in FORMS for name in _fields(form)}


def _fields(form: str) -> set[str]:
    return {field.name for field in dataclasses.fields(FORMS[form].settings)}


def settings_from_plain(plain: Plain, *, where: str) -> ExportSettings:
    """The settings of an export from what is stored of them.

    Args:
        where: what stores them, for messages.
    Raises: SettingsError naming what only a newer mocrop has, or if they are damaged.
    """
    try:
        form = str(plain["form"])
        if form not in FORMS:
            raise SettingsError(not_known(where, f"the form {form!r}"))
        for name in unknown_settings(FORMS[form].settings, plain["form_settings"]):
            raise SettingsError(not_known(where, f"a setting {name!r}"))
        for name in unknown_settings(ExportSettings, plain):
            raise SettingsError(not_known(where, f"a setting {name!r}"))
        own = FORMS[form].settings(**plain["form_settings"])
        crop = settings_of(plain["crop"], str(plain["crop"]["name"]))
        return ExportSettings(**{**plain, "form_settings": own, "crop": crop})
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"{where}: its settings are damaged ({error})") from error
    except SettingsError:
        raise
    except MocropError as error:
        raise SettingsError(f"{where}: {error}") from error
