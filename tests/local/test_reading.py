"""A browser reads the demo's reports, and nothing else of what lies in the store."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tasks.local.reading import reading_room
from tasks.local.seaweed import LocalStore

RUN = "demo-20261124-1-4dc5"


def test_reports_are_read_in_a_browser_and_rows_are_not(s3: LocalStore, tmp_path: Path) -> None:
    client = s3.client()
    for name in ("report.html", "results.csv"):
        client.put_object(Bucket="tests", Key=f"results/{RUN}/r1/{name}", Body=b"<p>a page</p>")
    with reading_room(tmp_path, s3, bucket="tests", prefix="results") as address:
        with urllib.request.urlopen(f"{address}/{RUN}/r1/report.html", timeout=10) as page:
            assert page.read() == b"<p>a page</p>"
            assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in ("results.csv", "../r1/results.csv", "manifest.json"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}/{RUN}/r1/{path}", timeout=10)
        elsewhere = urllib.request.Request(f"{address}/{RUN}/r1/report.html", headers={"host": "evil.example.com"})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(elsewhere, timeout=10)
        none = f"{address}/{RUN}/r2/report.html"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(none, timeout=10)
    with reading_room(tmp_path, s3, bucket="tests", prefix="results") as again:
        assert again == address, "a link of yesterday works today"
