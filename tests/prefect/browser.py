"""Prefect's pages in Debian's Chromium: what a person sees, clicks and types; nothing but loopback is reached."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Locator, Page, Request, Response, sync_playwright
from playwright.sync_api import TimeoutError as PageTimeout

from tests.prefect.server import Server

SHOTS = os.environ.get("IVS_BACKFILL_SHOTS", "")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-software-rasterizer", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip
"""No name but loopback's is found: a switch of the browser, since routes of Playwright's would turn its cache off.

Without a rasterizer in software a run's graph is drawn on a plain canvas, which takes a fifth of the time.
"""
PATIENCE_MS = 30_000
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


@dataclass
class Window:
    """One browser window on one Prefect server."""

    page: Page
    address: str
    shots: Path
    elsewhere: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    taken: int = 0

    def until(self, what: Callable[[], Any], why: str, patience_s: float = 120) -> Any:
        """Wait until something is true, while the page goes on, and return it."""
        ends = time.monotonic() + patience_s
        while not (found := what()):
            assert time.monotonic() < ends, why
            self.page.wait_for_timeout(300)
        return found

    def away(self, what: Callable[[], Any], why: str) -> None:
        """Wait until something is true, and come back to the page.

        Nobody looks meanwhile: a run's graph is drawn all the time, and takes half a core.
        """
        here = self.page.url
        self.page.goto("about:blank")
        self.until(what, why)
        self.page.goto(here)

    def ended(self, server: Server) -> dict[str, Any]:
        """Wait for the final state of the run that is on the page, and return the run."""
        run = self.run_id
        self.away(lambda: server.run(run)["state"]["type"] in FINAL, f"run {run} does not end")
        return server.run(run)

    def shot(self, name: str) -> None:
        """Keep what is to be seen now."""
        self.taken += 1
        self.page.wait_for_timeout(150)
        self.page.screenshot(path=self.shots / f"{self.taken:02}-{name}.png", full_page=True)

    def form(self, deployment: str) -> None:
        """Open a deployment's form by its name, as a person does."""
        self.page.goto(f"{self.address}/v2/deployments")
        self.page.get_by_role("link", name=deployment, exact=True).first.click()
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Custom run").click()
        self.page.get_by_role("heading", name="Parameters").wait_for()
        self.page.wait_for_load_state("networkidle")

    def pick(self, now: str, wanted: str, where: Locator | None = None) -> None:
        """Pick another value from a list."""
        (where or self.page).get_by_text(now, exact=True).click()
        self.page.get_by_role("option", name=wanted, exact=True).click()

    def number(self, title: str, value: str) -> None:
        """Type a number into the field with a title."""
        del title  # the form has one number
        self.page.locator("input[type=number]").fill(value)

    def plan_again(self) -> None:
        """Switch `replan` on, and see that it stays on: a form that is still being filled in takes it back."""
        switch = self.page.get_by_role("switch").first
        looks_on = 0
        for _ in range(PATIENCE_MS // 500):
            looks_on = looks_on + 1 if switch.is_checked() else 0
            if looks_on == 2:
                return
            if not looks_on:
                switch.click()
            self.page.wait_for_timeout(500)
        raise AssertionError("the switch does not stay on")

    def texts(self, *values: str, where: Locator | None = None) -> None:
        """Type into the text fields of a form, in their order."""
        boxes = (where or self.page).locator("textarea")
        for place, value in enumerate(values):
            boxes.nth(place).fill(value)
            boxes.nth(place).press("Tab")

    def submit(self) -> None:
        """Send the form, by the keyboard: a notice may lie over the button."""
        self.page.get_by_role("button", name="Submit").press("Enter")

    def heard(self, press: Callable[[], None], answers: str, again: int = 3) -> Response:
        """Press something until the server answers at an address, and return the answer.

        Pressed again, as a person would, where a busy page did not hear it or a busy server asks for that (503).
        """
        try:
            with self.page.expect_request(re.compile(answers), timeout=5_000) as asked:
                press()
            answer = asked.value.response()  # however long a busy server takes
            if answer is not None and answer.status != 503:
                return answer
        except PageTimeout:
            pass
        assert again, f"{answers}: not heard"
        return self.heard(press, answers, again - 1)

    def sent(self) -> None:
        """Send a form that is taken, and go to its run."""
        answer = self.heard(self.submit, "/create_flow_run$")
        assert answer.status == 201, answer.text()
        self.page.goto(f"{self.address}/v2/runs/flow-run/{answer.json()['id']}")

    @property
    def run_id(self) -> str:
        return urlsplit(self.page.url).path.rpartition("/")[2]

    def shows(self, text: str | re.Pattern[str]) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for()

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def menu(self, item: str) -> Locator:
        """Choose from a run's menu, and return the dialog that asks whether it is meant."""
        self.page.get_by_role("button", name="Open menu").first.click()
        self.page.get_by_role("menuitem", name=item).click()
        dialog = self.page.locator("[role=dialog],[role=alertdialog]")
        dialog.wait_for()
        return dialog


@contextmanager
def window(address: str, folder: Path) -> Iterator[Window]:
    """Open a window with a profile of its own; requests to other hosts find nobody, and are noted."""
    chromium = shutil.which("chromium")
    assert chromium, "install Debian's chromium"
    shots = Path(SHOTS or folder / "shots")
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            folder / "chromium", executable_path=chromium, headless=True, args=list(FLAGS),
            viewport={"width": 1400, "height": 1000}, reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        opened = Window(context.pages[0], address, shots)

        def asks(request: Request) -> None:
            if (host := urlsplit(request.url).hostname) not in {"127.0.0.1", None}:
                opened.elsewhere.add(str(host))

        def note(response: Response) -> None:
            if response.status >= 400:
                opened.refused.append(f"{response.status} {response.url}")

        context.on("request", asks)
        context.on("response", note)
        context.on("requestfailed", lambda failed: opened.refused.append(f"{failed.failure} {failed.url}"))
        try:
            yield opened
        except BaseException:
            opened.shot("failed-here")
            print(*opened.refused, sep="\n")
            raise
        finally:
            context.close()
