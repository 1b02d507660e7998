"""A real Prefect server and worker for tests, as processes of their own on a free loopback port."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import yaml

from tests.databases import reading
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PREFECT = str(Path(sys.executable).with_name("prefect"))
AUTOMATIONS: list[dict[str, Any]] = yaml.safe_load((ROOT / "configs" / "automations.yaml").read_text(encoding="utf-8"))[
    "automations"
]
PATIENCE_S = 120


def until(what: Callable[[], Any], why: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait until something is true, and return it."""
    ends = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < ends, why
        time.sleep(0.2)
    return found


@dataclass
class Server:
    """A Prefect server that can be killed and started again on the same port and database."""

    home: Path
    port: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PREFECT_HOME": str(self.home),
            "PREFECT_PROFILES_PATH": str(self.home / "profiles.toml"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true",  # plain HTTP on loopback: reads no certificates 40 times
            "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS": "0.5",
            "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "8",
            "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT1S",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        }

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        command = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = spawn(command, self.environment, self.home / "server.log")
        until(self.lives, "the Prefect server does not come up")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            end(self.process, number)

    def lives(self) -> bool:
        assert self.process is None or self.process.poll() is None, (self.home / "server.log").read_text()[-2_000:]
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        head = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.api}{path}", data=data, method=method, headers=head)
        said = until(lambda: _answer(request), f"{method} {path}")
        return json.loads(said) if said != b"-" else None

    def refusal(self, path: str, body: Any) -> str:
        """Return what the server says to a request that it refuses."""
        try:
            self.call("POST", path, body)
        except urllib.error.HTTPError as error:
            return error.read().decode()
        raise AssertionError(f"{path} took {body}")

    def run(self, flow_run: str | UUID) -> dict[str, Any]:
        return dict(self.call("GET", f"/flow_runs/{flow_run}"))

    def form(self, flow_run: str | UUID) -> str:
        """Return what the form that a flow run waits with says; nothing until Prefect, which suspends first, has it."""
        state = self.run(flow_run)["state"]
        if state["name"] != "Suspended":
            return ""
        key = state["state_details"]["run_input_keyset"]["description"]
        kept = self.call("POST", f"/flow_runs/{flow_run}/input/filter", {"prefix": key})
        return str(kept[0]["value"]) if kept else ""

    def artifacts(self, flow_run: str | UUID) -> dict[str, dict[str, Any]]:
        """Return the newest artifact of a flow run by key."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [str(flow_run)]}}, "sort": "CREATED_DESC", "limit": 200}
        found: dict[str, dict[str, Any]] = {}
        for one in self.call("POST", "/artifacts/filter", wanted):
            found.setdefault(one["key"], one)
        return found

    def logs(self, flow_run: str | UUID) -> list[str]:
        wanted = {"logs": {"flow_run_id": {"any_": [str(flow_run)]}}, "sort": "TIMESTAMP_ASC", "limit": 200}
        return [one["message"] for one in self.call("POST", "/logs/filter", wanted)]

    def task_runs(self, flow_run: str | UUID) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"id": {"any_": [str(flow_run)]}}, "limit": 200}
        return list(self.call("POST", "/task_runs/filter", wanted))

    def newest(self, name: str, deployment: str | None = None) -> dict[str, Any] | None:
        """Return the newest run of a flow, or of one deployment's, of those that are more than a plan of some schedule."""
        begun = {"state": {"type": {"not_any_": ["SCHEDULED"]}}}
        wanted = {"flows": {"name": {"any_": [name]}}, "flow_runs": begun, "sort": "START_TIME_DESC", "limit": 1}
        wanted |= {"deployments": {"name": {"any_": [deployment]}}} if deployment else {}
        return next(iter(self.call("POST", "/flow_runs/filter", wanted)), None)

    def press(self, deployment: str, parameters: dict[str, Any], due: dt.datetime | None = None) -> str:
        """Run a deployment, as the UI's button does or a schedule that was due then, and return the flow run's id."""
        when = {"state_details": {"scheduled_time": due.isoformat()}} if due else {}
        wanted = {"parameters": parameters, "state": {"type": "SCHEDULED", **when}}
        return str(self.call("POST", f"/deployments/{deployment}/create_flow_run", wanted)["id"])

    def set_state(self, flow_run: str, kind: str, name: str | None = None, *, force: bool = False) -> dict[str, Any]:
        """Propose a state, as the UI's Retry and Cancel do."""
        wanted = {"state": {"type": kind, "name": name, "message": "by a person in the UI"}, "force": force}
        return dict(self.call("POST", f"/flow_runs/{flow_run}/set_state", wanted))

    def heartbeat(self, flow_run: str, ago_s: float) -> None:
        """Send the sign of life that a flow's process sends every half minute, as of some seconds ago."""
        related = [
            {
                "prefect.resource.id": "prefect.flow.x",
                "prefect.resource.role": "flow",
                "prefect.resource.name": "backfill",
            }
        ]
        resource = {"prefect.resource.id": f"prefect.flow-run.{flow_run}", "prefect.resource.name": "run"}
        then = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=ago_s)).isoformat()
        event = {"event": "prefect.flow-run.heartbeat", "occurred": then, "resource": resource, "related": related}
        self.call("POST", "/events", [event | {"id": str(uuid4()), "payload": {}}])

    def events(self, name: str, *, of: str = "", about: str = "") -> list[dict[str, Any]]:
        """Return the events of a name that a flow run has sent, or that others have sent about it."""
        wanted = {"event": {"name": [name]}}
        for kind, flow_run in (("resource", of), ("related", about)):
            wanted |= {kind: {"id": [f"prefect.flow-run.{flow_run}"]}} if flow_run else {}
        return list(self.call("POST", "/events/filter", {"filter": wanted, "limit": 50})["events"])

    def forget_automations(self) -> None:
        """Delete what automations there are: they would act on the runs of other tests."""
        for one in self.call("POST", "/automations/filter", {}):
            self.call("DELETE", f"/automations/{one['id']}")

    def ended(self, flow_run: str | UUID, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for a run's final state."""
        final = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
        until(lambda: self.run(flow_run)["state"]["type"] in final, f"run {flow_run} does not end", patience_s)
        return self.run(flow_run)


@dataclass
class Worker:
    """A process worker on a server's pool; it runs what is scheduled, each in a process of its own."""

    server: Server
    pool: str = "tests"
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [PREFECT, "worker", "start", "--pool", self.pool, "--type", "process"]
        self.process = spawn(command, self.server.environment, self.server.home / "worker.log")
        until(self._is_online, "the worker does not come up")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            end(self.process, number)

    def _is_online(self) -> bool:
        try:
            found = self.server.call("POST", f"/work_pools/{self.pool}/workers/filter", {})
        except urllib.error.HTTPError:
            return False
        return any(one["status"] == "ONLINE" for one in found)


def deploy(
    server: Server, flow: Any, entrypoint: str, name: str, environment: dict[str, str], *, supervised: bool = True
) -> str:
    """Register a deployment of a flow on the test pool, and return its id.

    Args:
        supervised: as a worker runs it where nothing else is said, below two processes of Prefect's; two seconds more.
    """
    from prefect.utilities.callables import parameter_schema

    flow_id = server.call("POST", "/flows/", {"name": flow.name})["id"]
    plainly = {} if supervised else {"command": f"{sys.executable} -m prefect.engine"}
    wanted = {
        "name": name,
        "flow_id": flow_id,
        "path": str(ROOT),
        "entrypoint": entrypoint,
        "work_pool_name": "tests",
        "concurrency_limit": 1,
        "concurrency_options": {"collision_strategy": "ENQUEUE"},
        "parameter_openapi_schema": parameter_schema(flow).model_dump_for_openapi(),
        "enforce_parameter_schema": True,
        "job_variables": {"env": environment, "working_dir": str(ROOT), **plainly},
    }
    return str(server.call("POST", "/deployments/", wanted)["id"])


def _answer(request: urllib.request.Request) -> bytes | None:
    """Return what a server answers; nothing while its database is busy."""
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read()) or b"-"
    except urllib.error.HTTPError as error:
        if error.code == 503:
            return None
        raise


def spawn(command: list[str], environment: dict[str, str], log: Path, cwd: Path = ROOT) -> subprocess.Popen[bytes]:
    with log.open("ab") as written:
        return subprocess.Popen(
            command, cwd=cwd, env=environment, stdout=written, stderr=written, start_new_session=True
        )


def end(child: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
    """End a child and its children, for certain."""
    if child.poll() is None:
        os.killpg(child.pid, number)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def owner_of(ledger: Path) -> int:
    """Return the process that last opened a ledger and has not closed it."""
    with reading(ledger) as db:
        return int(db.execute("SELECT pid FROM owners WHERE ended_us IS NULL ORDER BY started_us").fetchall()[-1][0])


def pids_of(flow_run: str) -> list[int]:
    """Return the processes that run a flow run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"PREFECT__FLOW_RUN_ID={flow_run}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
