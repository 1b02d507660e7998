"""Register configs/prefect.yaml and configs/automations.yaml at a Prefect server; the same twice is the same once.

Deployments go through Prefect's own `deploy` command, so that the file is Prefect's and nothing of it is read by us but
the names of pool and profiles.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from flows.forms import CHOICES_VARIABLE
from tasks.settings import load_profile, profile_names
from tasks.settings.load import CHECKOUT, CONFIGS

POOL: Final = "ivs-backfill"
_CHECKOUT_VARIABLE: Final = "IVS_BACKFILL_CHECKOUT"


class NotRegisteredError(Exception):
    """Deployments can't be registered: what is missing, or what Prefect said."""


@dataclass
class Registered:
    """What stands at the server now."""

    pool: str
    profiles: list[str]
    deployments: list[str] = field(default_factory=list)
    automations: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def deploy(*, pool: str = POOL, profiles: list[str] | None = None, checkout: Path = CHECKOUT) -> Registered:
    """Register pool, deployments and automations.

    Args:
        pool: the work pool; made where it is not there.
        profiles: what the forms offer, the first one filled in; all real profiles by default.
        checkout: where workers find the code.

    Raises:
        NotRegisteredError: no server is configured or reached, or it refuses.
        ProfileError: a profile can't be used.
    """
    address = get_current_settings().api.url
    if not address:
        raise NotRegisteredError("no Prefect server is configured: set PREFECT_API_URL to its address, ending in /api")
    done = Registered(pool, [load_profile(name).name for name in profiles or _real_profiles()])
    wanted = _filled(_read("prefect.yaml"), done, checkout)
    try:
        asyncio.run(_make_pool(pool))
        _register(wanted, done)
        asyncio.run(_automate(_read("automations.yaml")["automations"], done))
    except httpx.HTTPError as error:
        raise NotRegisteredError(f"the Prefect server at {address} says: {error}") from None
    return done


def _real_profiles() -> list[str]:
    real = [name for name in profile_names() if load_profile(name).kind == "real"]
    return real or profile_names()


def _read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    return read


def _filled(file: dict[str, Any], done: Registered, checkout: Path) -> dict[str, Any]:
    """Return the file with pool, profiles and checkout as they were asked for."""
    for deployment in file["deployments"]:
        deployment["work_pool"]["name"] = done.pool
        _fill_profile(deployment.get("parameters", {}), done.profiles)
    (step,) = file["pull"]
    (inputs,) = step.values()
    inputs["directory"] = inputs["directory"].replace("{{ $" + _CHECKOUT_VARIABLE + " }}", str(checkout))
    return file


def _fill_profile(parameters: dict[str, Any], profiles: list[str]) -> None:
    for form in (parameters, *(one for one in parameters.values() if isinstance(one, dict))):
        if form.get("profile", profiles[0]) not in profiles:
            form["profile"] = profiles[0]


async def _make_pool(name: str) -> None:
    async with get_client() as client:
        try:
            await client.read_work_pool(name)
        except ObjectNotFound:
            template = await get_default_base_job_template_for_infrastructure_type("process")
            await client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template or {}))


def _register(wanted: dict[str, Any], done: Registered) -> None:
    with tempfile.TemporaryDirectory(prefix="ivs-deploy-") as folder:
        path = Path(folder) / "prefect.yaml"
        path.write_text(yaml.safe_dump(wanted, allow_unicode=True, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        environment = {**os.environ, CHOICES_VARIABLE: ",".join(done.profiles), "COLUMNS": "200"}
        said = subprocess.run(  # noqa: S603  # our own command
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
        )
    if said.returncode:
        raise NotRegisteredError(f"Prefect refused the deployments: {(said.stderr or said.stdout).strip()[-1_000:]}")
    done.deployments = [f"{_flow_of(one)}/{one['name']}" for one in wanted["deployments"]]


def _flow_of(deployment: dict[str, Any]) -> str:
    return str(deployment["entrypoint"]).rpartition(":")[2].replace("_", "-")


async def _automate(wanted: list[dict[str, Any]], done: Registered) -> None:
    async with get_client() as client:
        for one in wanted:
            missing = [await _resolve(client, action) for action in one["actions"]]
            if any(missing):
                done.left_out.append(f"{one['name']}: {', '.join(filter(None, missing))} is not there")
                continue
            automation = AutomationCore.model_validate(one)
            held = await client.read_automations_by_name(automation.name)
            for old in held[:1]:
                if AutomationCore.model_validate(old.model_dump()) != automation:  # an update forgets what it waits for
                    await client.update_automation(old.id, automation)
            if not held:
                await client.create_automation(automation)
            done.automations.append(automation.name)


async def _resolve(client: PrefectClient, action: dict[str, Any]) -> str:
    """Put ids in the place of an action's names; return what is not there."""
    if name := action.pop("deployment", ""):
        action |= {"source": "selected", "deployment_id": str((await client.read_deployment_by_name(name)).id)}
    if block := action.pop("block", ""):
        kind, _, named = block.partition("/")
        try:
            found = await client.read_block_document_by_name(named, kind, include_secrets=False)
        except ObjectNotFound:
            return f"block {block}"
        action["block_document_id"] = str(found.id)
    return ""
