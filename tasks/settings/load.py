"""Find, read and check a profile; every mistake is one line that says what, where and what to do."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from tasks.settings.profile import Profile

CHECKOUT: Final = Path(__file__).resolve().parents[2]
CONFIGS: Final = CHECKOUT / "configs"
PROFILES_VARIABLE: Final = "IVS_BACKFILL_PROFILES"
"""Environment variable naming one more folder of profiles, looked at before ``configs/``."""


class ProfileError(Exception):
    """A profile can't be used: which file, which key, and what to do."""


def load_profile(name: str) -> Profile:
    """Return the profile `name` (``demo`` for ``configs/demo.toml``, or a path ending in ``.toml``).

    Raises:
        ProfileError: not found, not TOML, an unknown key (the nearest known one is named) or a bad value.
    """
    path = _find(name)
    data = _read(path)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(f"{path.name}: {_sentences(error)}") from None


def profile_names() -> list[str]:
    """Return the names of all profiles that can be found, sorted."""
    found = {path.stem for folder in _folders() for path in folder.glob("*.toml") if _is_profile(path)}
    return sorted(found)


def redacted(profile: Profile) -> str:
    """Return the effective profile as text to print and to keep with the run; it holds no secrets by construction."""
    return profile.model_dump_json(indent=2)


def _folders() -> list[Path]:
    extra = os.environ.get(PROFILES_VARIABLE, "")
    return [folder for folder in (*map(Path, filter(None, [extra])), CONFIGS) if folder.is_dir()]


def _is_profile(path: Path) -> bool:
    try:
        return "kind" in _read(path)
    except ProfileError:
        return False


def _find(name: str) -> Path:
    candidates = [Path(name)] if name.endswith(".toml") else [folder / f"{name}.toml" for folder in _folders()]
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(profile_names()) or "none"
    raise ProfileError(f"no profile {name!r}: known are {known}; profiles lie in configs/ or ${PROFILES_VARIABLE}")


def _read(path: Path, seen: frozenset[Path] = frozenset()) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: not a TOML file: {error}") from None
    except OSError as error:
        raise ProfileError(f"{path.name}: can't be read: {error.strerror}") from None
    base = data.pop("extends", None)
    if base is None:
        return data
    parent = CONFIGS / f"{base}.toml"
    if parent in seen or not parent.is_file():
        raise ProfileError(f"{path.name}: extends {base!r}, which is not a profile in configs/")
    return _merged(_read(parent, seen | {path}), data)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _sentences(error: ValidationError) -> str:
    return "; ".join(_sentence(item["loc"], item["type"], item["msg"]) for item in error.errors(include_input=False))


def _sentence(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(map(str, loc)) or "profile"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(loc[-1]), _keys_at(loc[:-1]), n=1, cutoff=0.5)
        return f"unknown key {where!r}" + (f", did you mean {near[0]!r}?" if near else "")
    if kind == "missing":
        return f"key {where!r} is missing"
    return f"{where}: {message.removeprefix('Value error, ')}"


def _keys_at(loc: Iterable[int | str]) -> list[str]:
    model: Any = Profile
    for part in loc:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
        if model is None:
            return []
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
