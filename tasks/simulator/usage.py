"""Usage and billing reads (reference 6.5): metrics, packages, deductions, resource rows, and the bill as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
import secrets
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tasks.simulator.iam import signed
from tasks.simulator.world import World

CHINA: Final = ZoneInfo("Asia/Shanghai")
INTERFACES: Final = {"ivs_idcard_extention": "two_factor", "ivs_standard": "three_factor"}
_WHERE: Final = {
    "api_calls": "status = 200 AND billed = 1",
    "error_4xx": "status BETWEEN 400 AND 499",
    "error_5xx": "status >= 500",
}


def usage_routes(world: World) -> list[Route]:
    """Return the metrics and billing routes of a world."""

    async def metrics(request: Request) -> Response:
        return await _refused(world, request) or _metrics(world, request)

    async def rows(request: Request) -> Response:
        return await _refused(world, request) or JSONResponse(_resource_rows(world, request))

    async def deductions(request: Request) -> Response:
        return await _refused(world, request) or JSONResponse(_deductions(world, request))

    async def packages(request: Request) -> Response:
        return await _refused(world, request) or JSONResponse(_packages(world))

    async def bill(request: Request) -> Response:
        return PlainTextResponse(_bill_csv(world, request), media_type="text/csv")

    return [
        Route("/V1.0/{project}/metric-data", metrics, methods=["GET"]),
        Route("/v2/bills/customer-bills/res-fee-records", rows, methods=["GET"]),
        Route("/v2/bills/customer-bills/free-resources-usage-records", deductions, methods=["GET"]),
        Route("/v3/payments/free-resources/query", packages, methods=["POST"]),
        Route("/control/bill.csv", bill, methods=["GET"]),
    ]


async def _refused(world: World, request: Request) -> Response | None:
    token = request.headers.get("X-Auth-Token")
    if token:
        problem: Any = world.account.token_problem(token, world.now())
    else:
        problem = world.keys.problem(await signed(request), world.now())
    if not problem:
        return None
    said = {
        "error_code": "APIG.0301",
        "error_msg": "Incorrect IAM authentication information",
        "request_id": secrets.token_hex(16),
    }
    return JSONResponse(said, 401)


def _metrics(world: World, request: Request) -> Response:
    asked = request.query_params
    interface = asked.get("dim.0", "").partition(",")[2]
    if asked.get("namespace") != "SYS.IVS" or asked.get("metric_name") not in _WHERE or interface not in INTERFACES:
        return JSONResponse({"http_code": 400, "message": {"code": "ces.0014", "details": "Invalid parameter"}}, 400)
    try:
        start, end, period = int(asked["from"]), int(asked["to"]), max(int(asked.get("period", "300")), 60)
    except (KeyError, ValueError):
        return JSONResponse({"http_code": 400, "message": {"code": "ces.0014", "details": "Invalid time"}}, 400)
    seen = min(end, int((world.now() - world.lag_s) * 1000))
    where = f"{_WHERE[asked['metric_name']]} AND family = ? AND answered_at BETWEEN ? AND ?"
    buckets: defaultdict[int, int] = defaultdict(int)
    for row in world.journal.rows(where, (INTERFACES[interface], start * 1000, seen * 1000)):
        buckets[row["answered_at"] // (period * 1_000_000) * period * 1000] += 1
    points = [{"sum": count, "timestamp": at, "unit": "count"} for at, count in sorted(buckets.items())]
    return JSONResponse({"datapoints": points, "metric_name": asked["metric_name"]})


def _billed(world: World) -> list[Any]:
    before = int((world.now() - world.lag_s) * 1_000_000)
    return world.journal.rows("billed = 1 AND coalesce(answered_at, body_at) <= ?", (before,))


def _day(row: Any) -> dt.date:
    return dt.datetime.fromtimestamp((row["answered_at"] or row["body_at"]) / 1_000_000, tz=CHINA).date()


def _grouped(world: World, cycle: str) -> list[dict[str, Any]]:
    groups: defaultdict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for day, project, row in _as_billed(world):
        if day.startswith(cycle):
            groups[day, row["family"], project].append(row)
    return [_resource_row(world, key, rows) for key, rows in sorted(groups.items())]


def _as_billed(world: World) -> Iterator[tuple[str, str, Any]]:
    """Yield day, enterprise project and row of each billed call, with the faults of the bill worked in."""
    faults = world.faults.on_the_bill()
    rows = _billed(world)
    for place, row in enumerate(rows, start=1):
        if _hits(faults.get("bill_missing"), place):
            continue
        days = 1 if _hits(faults.get("bill_late"), place) else 0
        wrong = _hits(faults.get("bill_wrong_project"), place)
        project = "another-project" if wrong else row["enterprise_project"] or "default"
        yield (_day(row) + dt.timedelta(days=days)).isoformat(), project, row
    for row in rows[: int(faults.get("bill_extra", {}).get("rows", 0))]:
        yield _day(row).isoformat(), row["enterprise_project"] or "default", row


def _hits(fault: dict[str, Any] | None, place: int) -> bool:
    return fault is not None and place % int(fault.get("every", 1)) == 0


def _resource_row(world: World, key: tuple[str, str, str], rows: list[Any]) -> dict[str, Any]:
    day, family, project = key
    amount = sum((world.bill.final(day[:7], family, Decimal(row["price"])) for row in rows), Decimal(0))
    covered = sum(1 for row in rows if row["package"])
    return {
        "bill_date": day,
        "region": world.account.region,
        "product_name": family,
        "usage_type": "calls",
        "usage": len(rows),
        "free_resource_usage": covered,
        "unit": "count",
        "official_amount": str(amount),
        "discount_amount": "0",
        "amount": str(amount),
        "trade_id": f"{day}-{family}",
        "enterprise_project_id": project,
    }


def _resource_rows(world: World, request: Request) -> dict[str, Any]:
    asked = request.query_params
    rows = _grouped(world, asked.get("cycle", ""))
    offset, limit = int(asked.get("offset", "0")), int(asked.get("limit", "10"))
    return {"fee_records": rows[offset : offset + limit], "total_count": len(rows), "currency": "CNY"}


def _deductions(world: World, request: Request) -> dict[str, Any]:
    asked = request.query_params
    first, last = asked.get("deduct_time_begin", ""), asked.get("deduct_time_end", "9999")
    counts: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in _billed(world):
        if row["package"] and first <= _day(row).isoformat() <= last:
            counts[_day(row).isoformat(), row["package"]] += 1
    rows = [
        {"deduct_time": f"{day}T00:00:00Z", "product_id": package, "used_amount": count}
        for (day, package), count in sorted(counts.items())
    ]
    return {"free_resources_usage_records": rows, "total_count": len(rows)}


def _packages(world: World) -> dict[str, Any]:
    left = world.bill.left()
    rows = [
        {
            "order_instance_id": package["id"],
            "product_name": package["family"],
            "effective_time": f"{package['bought']}T00:00:00Z",
            "expire_time": f"{package['expires']}T00:00:00Z",
            "status": 1 if left[package["id"]] else 2,
            "region_code": package["region"],
            "quota_reuse_mode": 2,
            "free_resources": [
                {"free_resource_id": package["id"], "amount": left[package["id"]], "original_amount": package["calls"]}
            ],
        }
        for package in world.bill.packages
    ]
    return {"free_resource_packages": rows, "total_count": len(rows)}


def _bill_csv(world: World, request: Request) -> str:
    rows = _grouped(world, request.query_params.get("cycle", ""))
    text = io.StringIO()
    names = list(rows[0]) if rows else ["bill_date"]
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
