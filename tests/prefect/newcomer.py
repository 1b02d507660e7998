"""A newcomer's walk: everything brought up by one command, and every button pressed in a real browser.

    python -m tests.prefect.newcomer FOLDER

A process of its own, since it waits for pages and runs most of its two minutes; other tests run beside it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.databases import reading
from tests.local.test_parts import all_gone, running
from tests.ports import free_port
from tests.prefect.browser import Window, window
from tests.prefect.server import ROOT, Server, owner_of, until

ANALYTICS = {"sr-client-cfg.amplitude.com", "api2.amplitude.com", "api.amplitude.com", "cdn.amplitude.com"}
CARDS = {"plan", "results", "costs", "exceptions", "in-doubt", "trend", "report"}
RUNNABLE_S = 120
DEPLOYMENTS = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


class Up:
    """`ivs-backfill up` on an empty home, as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        folder.mkdir(exist_ok=True)
        self.environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        self.environment |= {"PREFECT_WORKER_QUERY_SECONDS": "0.5", "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"}
        self.log = folder / "up.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "flows.cli", "up", "--home", str(self.home), "--port", str(free_port())]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def said(self, pattern: str) -> str:
        def found() -> re.Match[str] | None:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            return re.search(pattern, self.log.read_text(encoding="utf-8"))

        return str(until(found, f"up does not say {pattern}")[1])

    def server(self) -> Server:
        seen = Server(self.home / "unused")
        seen.port = int(self.said(r"Open http://127\.0\.0\.1:(\d+) in a browser"))
        return seen

    def control(self, path: str, wanted: Any) -> None:
        """Set the simulator's faults or account."""
        profile = (self.home / "profiles" / "demo.toml").read_text(encoding="utf-8")
        found = re.search(r'endpoint = "(http[^"]+)"', profile)
        assert found is not None
        request = urllib.request.Request(f"{found[1]}/control{path}", json.dumps(wanted).encode(), method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def calls(self) -> int:
        with reading(self.home / "provider" / "journal.sqlite") as journal:
            return int(journal.execute("SELECT count(*) FROM requests WHERE billed").fetchone()[0])


@contextmanager
def up(folder: Path) -> Iterator[Up]:
    started = Up(folder)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()
        assert all_gone(started.home, within_s=20), running(started.home)


def change_of_mind(folder: Path) -> None:
    """End it by a signal while it starts: every part stops."""
    with up(folder) as started:
        started.said("(Starting the local provider)")
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
        assert all_gone(started.home, within_s=5), running(started.home)


def walk(folder: Path) -> None:
    """Press every button of a fresh machine; an AssertionError says what was not to be seen."""
    began = time.monotonic()
    with up(folder) as started:
        server = started.server()
        assert time.monotonic() - began < RUNNABLE_S, "Run can be pressed within two minutes"
        with window(f"http://127.0.0.1:{server.port}", folder) as seen:
            look_around(seen)
            register_again(server, started)
            pilot(seen, server)
            sign_by_day(seen, server)
            approve_fall_and_cancel(seen, server, started)
            mend_and_retry(seen, server, started)
            halt(seen, server, started)
            assert seen.elsewhere <= ANALYTICS


def look_around(seen: Window) -> None:
    """The pages a newcomer opens first."""
    seen.page.goto(f"{seen.address}/v2/dashboard")
    seen.shows("Active Work Pools")
    seen.shot("dashboard")
    seen.page.goto(f"{seen.address}/v2/deployments")
    seen.shows("At 10:00 PM")
    seen.shot("deployments")
    seen.page.get_by_role("link", name="nightly", exact=True).first.click()
    seen.tab("Description")
    seen.shows("每夜核验")
    seen.shot("deployment")
    seen.page.goto(f"{seen.address}/v2/automations")
    seen.page.wait_for_load_state("networkidle")
    seen.shot("automations")


def register_again(server: Server, started: Up) -> None:
    """Registered a second time, everything is as it was; what a form refuses the server does too."""
    before, acting = deployments(server), server.call("POST", "/automations/filter", {})
    command = [sys.executable, "-m", "flows.cli", "deploy", "--profile", "demo", "--profile", "careful", "--json"]
    places = {"PREFECT_API_URL": server.api, "IVS_BACKFILL_PROFILES": str(started.home / "profiles")}
    done = subprocess.run(command, cwd=ROOT, env=started.environment | places, capture_output=True, check=True)
    told, after = json.loads(done.stdout), deployments(server)
    assert len(told["deployments"]) == len(before) == len(DEPLOYMENTS)
    for kept in ("id", "entrypoint", "parameters", "tags", "pull_steps", "parameter_openapi_schema"):
        assert {name: one[kept] for name, one in before.items()} == {name: one[kept] for name, one in after.items()}
    assert {str(ROOT) in str(one["pull_steps"]) for one in after.values()} == {True}
    assert len(acting) > 2
    assert server.call("POST", "/automations/filter", {}) == acting, "not even written: each keeps what it waits for"
    nightly = after["nightly"]
    assert [one["schedule"]["timezone"] for one in nightly["schedules"]] == ["Asia/Shanghai"]
    assert nightly["parameters"] == {"order": {"profile": "demo"}}
    assert nightly["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert nightly["global_concurrency_limit"]["limit"] == 1
    for order in ({"profile": "other"}, {"profile": "demo", "limit": -1}, {"profile": "demo", "business_date": "soon"}):
        refused = server.refusal(f"/deployments/{nightly['id']}/create_flow_run", {"parameters": {"order": order}})
        assert "order" in refused
    server.call("POST", f"/deployments/{nightly['id']}/pause_deployment")  # it may be ten in the evening


def deployments(server: Server) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in server.call("POST", "/deployments/filter", {"limit": 50})}


def pilot(seen: Window, server: Server) -> None:
    """A bad value is refused when the form is sent; a good one runs, and its pages tell what came of it."""
    seen.form("ad-hoc")
    seen.shot("form")
    seen.number("条数上限", "-5")
    seen.submit()
    seen.shot("form-refused")
    bounded = seen.page.locator("input[type=number]").evaluate("box => box.validationMessage")
    assert "0" in bounded
    seen.number("条数上限", "60")
    seen.sent()
    ended = seen.ended(server)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]
    assert re.fullmatch(r"backfill · demo · \d{4}-\d\d-\d\d · 60 条 records", ended["name"])
    seen.shows("开始核验")
    seen.shot("run")
    seen.tab("Details")
    seen.shot("run-details")
    assert {f"{name}-demo" for name in CARDS} <= server.artifacts(seen.run_id).keys()
    artifacts(seen, sorted(CARDS))


def artifacts(seen: Window, names: list[str]) -> None:
    """Open each artifact of the run that is on the page."""
    seen.tab("Artifacts")
    seen.shows(f"{names[0]}-demo")
    seen.shot("artifacts")
    for name in names:
        seen.page.get_by_role("link", name=f"{name}-demo").first.click()
        seen.page.wait_for_load_state("networkidle")
        seen.shot(f"artifact-{name}")
        if name == "report":
            seen.page.goto(str(seen.page.get_by_role("link", name="report.html").get_attribute("href")))
            seen.shows("核验费用报告")
            seen.shot("report")
            seen.page.go_back()
        seen.page.go_back()


def sign_by_day(seen: Window, server: Server) -> None:
    """An envelope is signed for a night of next month; money is written as the form says, or refused in its field."""
    seen.form("envelope")
    seen.page.get_by_text("Pick a date").click()
    seen.page.get_by_role("button", name="Go to the Next Month").click()
    seen.page.get_by_role("gridcell", name="15").get_by_role("button").click()
    seen.page.keyboard.press("Escape")
    seen.number("最多条数", "60")
    seen.texts("1,200", "季度复核 quarterly review", "张经办")
    seen.submit()
    seen.shows("'1,200' does not match")
    seen.shot("envelope-refused")
    seen.texts("1200.00")
    seen.sent()
    signed = seen.ended(server)
    assert signed["state"]["name"] == "Signed", signed["state"]
    assert re.search("60 records and 1200.00 CNY at worst, until the end of .*-16$", signed["state"]["message"])
    seen.shows("Signed")
    seen.shot("signed")


def approve_fall_and_cancel(seen: Window, server: Server, started: Up) -> None:
    """A plan above the limit waits; only its own hash is taken; approved it runs, goes on after its process died, and
    ends when somebody cancels it.
    """
    seen.form("ad-hoc")
    seen.pick("demo", "careful")
    seen.sent()
    run_id = seen.run_id
    seen.away(lambda: server.form(run_id), "the run does not wait for approval")
    dialog = seen.menu("Resume")
    seen.shot("approval")
    seen.pick("Select", "approve", dialog)
    seen.texts("deadbeef", "张经办", "季度复核 quarterly review", where=dialog)
    dialog.get_by_role("button", name="Resume").click()
    seen.shows("Validation failed for field 'plan_hash'")
    seen.shot("approval-refused")
    shown = re.search(r"\b[0-9a-f]{8}( [0-9a-f]{8}){7}\b", dialog.inner_text())
    assert shown is not None
    started.control("/faults", [{"fault": "latency", "rate": 1.0, "args": {"seconds": 6}}])
    seen.texts(shown[0][:8], where=dialog)
    seen.heard(dialog.get_by_role("button", name="Resume").click, "/resume$")
    seen.away(lambda: any("progress" in key for key in server.artifacts(run_id)), "no progress is shown")
    seen.shows("开始核验")
    seen.shot("running")
    falls_and_goes_on(seen, server, started)
    dialog = seen.menu("Cancel")
    seen.shot("cancel")
    seen.heard(dialog.get_by_role("button", name="Cancel Flow Run").click, "/set_state$")
    ended = seen.ended(server)
    started.control("/faults", [])
    assert ended["state"]["type"] == "CANCELLED", ended["state"]
    seen.shows(re.compile("Cancelled|StoppedCancelled"))
    seen.shot("cancelled")


def falls_and_goes_on(seen: Window, server: Server, started: Up) -> None:
    """A process that is killed is started again by itself: once, though its worker says twice that it has ended."""
    run_id = seen.run_id
    os.kill(owner_of(started.home / "ledger.sqlite"), signal.SIGKILL)
    seen.away(lambda: sum("开始核验" in line for line in server.logs(run_id)) == 2, "it does not go on")
    assert server.run(run_id)["run_count"] == 2
    history = [one["name"] for one in server.call("GET", f"/flow_run_states/?flow_run_id={run_id}")]
    assert (history.count("Crashed"), history.count("AwaitingRetry"), history.count("Suspended")) == (1, 1, 1), history
    seen.shows("开始核验")
    seen.shot("goes-on")


def mend_and_retry(seen: Window, server: Server, started: Up) -> None:
    """A frozen account fails a run in one line; mended, the same run is retried from the UI."""
    started.control("/account", {"frozen": True})
    seen.form("ad-hoc")
    seen.number("条数上限", "75")
    seen.plan_again()
    seen.sent()
    failed = seen.ended(server)
    assert failed["state"]["name"] == "StoppedAccount"
    assert "账号" in failed["state"]["message"]
    seen.shows("StoppedAccount")
    seen.tab("Details")
    seen.shot("failed")
    started.control("/account", {"frozen": False})
    dialog = seen.menu("Retry")
    seen.shot("retry")
    seen.heard(dialog.get_by_role("button", name=re.compile("^Retry")).click, "/set_state$")
    seen.until(lambda: server.run(seen.run_id)["state"]["type"] != "FAILED", "the retry does not begin")
    retried = seen.ended(server)
    assert retried["state"]["type"] == "COMPLETED"
    assert retried["name"] == failed["name"], "the same run, which plans nothing again"
    seen.shows(re.compile("Completed"))
    seen.shot("retried")


def halt(seen: Window, server: Server, started: Up) -> None:
    """Halt takes no number of a person as its reason; once pressed, no call leaves."""
    seen.form("halt")
    seen.texts("客户 110101188001010010 的照片有误", "张经办")
    seen.submit()
    seen.shows(re.compile("does not match|Validation failed"))
    seen.shot("halt-refused")
    seen.texts("一批照片有误 wrong pictures")
    seen.sent()
    assert seen.ended(server)["state"]["type"] == "COMPLETED"
    paid = started.calls()
    seen.form("ad-hoc")
    seen.plan_again()
    seen.sent()
    assert seen.ended(server)["state"]["name"] == "StoppedHalted"
    assert started.calls() == paid
    seen.shows("StoppedHalted")
    seen.tab("Details")
    seen.shot("halted")
    seen.page.goto(f"{seen.address}/v2/runs")
    seen.shows("StoppedHalted")
    seen.shot("runs")


if __name__ == "__main__":
    change_of_mind(Path(sys.argv[1]) / "first")
    walk(Path(sys.argv[1]) / "second")
