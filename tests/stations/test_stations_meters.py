"""The circuits' meters: what really flows, and how it is pushed to a server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import sqrt
from typing import Any

import numpy as np
import pytest
from strict_central import yard

from busbar.core.units import ActivePower, Current
from busbar.simulator.stations.meter_push import MeterPush
from busbar.simulator.stations.meters import CircuitMeters, Reading

NOTHING = np.zeros(3, dtype=np.int64)

NESTED = """\
schema: busbar/depot/1
depot: {id: nested, voltage: 400 V, base_power_factor: 1}
circuits:
  - {id: GC1, default_operating_capacity: 500 kVA, safe_operating_capacity: 200 kVA, meter: true, voltage: 11 kV}
  - {id: C1, parent: GC1, default_operating_capacity: 200 A, safe_operating_capacity: 20 A, meter: true, voltage: 400 V}
  - {id: C2, parent: C1, default_operating_capacity: 200 A, base_load: 6 kW}
charge_points:
  - {id: AC1, circuit: C2, current: AC, max_rating: 32 A, power_factor: 1, idle_load: 50 W,
     connectors: [{id: 1, max_rating: 32 A, phases: [L2]}]}
"""


def test_a_meter_shows_base_load_and_charge_points_together() -> None:
    meters = CircuitMeters(yard(), {"GC1": ActivePower(w=30_000)})
    assert meters.nodes == ("GC1",)
    # Leaves: DC1/1, DC1/2, AC1/1.
    draws = np.array([95_000, 0, 16_000], dtype=np.int64)
    (reading,) = meters.readings(draws, NOTHING, 1000.0)
    assert reading.power_w == 30_000 + 100_000 + round(3 * 16 * 400 / sqrt(3))
    # The base load's power factor of 0.9 adds reactive current: more than the sum of the active parts, less than
    # the sum of all.
    active_ma = 1000 * reading.power_w / (sqrt(3) * 400)
    assert active_ma < min(reading.phases_ma) <= max(reading.phases_ma) < active_ma * 1.05


def test_each_meter_shows_its_own_voltage_and_what_is_declared_below_it() -> None:
    meters = CircuitMeters(yard(NESTED), {"C1": Current(l1_ma=10_000, l2_ma=0, l3_ma=0), "C2": ActivePower(w=10**6)})
    readings = {each.node: each for each in meters.readings(np.array([10_000]), NOTHING[:1], 5.0)}
    phase_ma = 1000 * 6000 / (sqrt(3) * 400)
    assert readings["C1"].phases_ma == pytest.approx((phase_ma + 10_000, phase_ma + 10_000, phase_ma), abs=1)
    assert readings["GC1"].phases_ma == pytest.approx([each * 400 / 11_000 for each in readings["C1"].phases_ma], abs=1)
    assert readings["C1"].power_w == readings["GC1"].power_w == 6000 + round(2 * 10 * 400 / sqrt(3))


def test_generation_is_negative_on_its_lines() -> None:
    meters = CircuitMeters(yard(), {"GC1": ActivePower(w=-50_000)})
    (reading,) = meters.readings(NOTHING, NOTHING, 0.0)
    assert reading.power_w == -50_000
    assert max(reading.phases_ma) < -70_000


def test_a_series_holds_each_value_until_the_next() -> None:
    meters = CircuitMeters(yard(), {"GC1": [(0.0, ActivePower(w=1_000)), (10.0, ActivePower(w=9_000))]})
    shown = [meters.readings(NOTHING, NOTHING, at_s)[0].power_w for at_s in (100.0, 109.9, 110.0, 500.0)]
    assert shown == [1_000, 1_000, 9_000, 9_000]


@contextmanager
def server(status: int) -> Iterator[tuple[str, list[tuple[str, str | None, Any]]]]:
    heard: list[tuple[str, str | None, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.server_port}", heard
    finally:
        found.shutdown()
        found.server_close()
        thread.join(5)


READING = Reading(node="GC 1", at_s=1_800_000_000.25, power_w=-5, phases_ma=(1, -2, 3))


def test_readings_are_pushed_with_the_meters_secret() -> None:
    with server(200) as (url, heard):
        push = MeterPush(url, depot="north yard", secret="hush")
        push.push([READING, READING])
        push.close()
    assert (push.pushed, push.failed, push.trouble) == (2, 0, "")
    path = "/api/v1/depots/north%20yard/meters/GC%201"
    body = {"power_w": -5, "phases_ma": {"L1": 1, "L2": -2, "L3": 3}, "at": "2027-01-15T08:00:00.250Z"}
    assert heard == [(path, "Bearer hush", body)] * 2


def test_a_server_that_refuses_or_is_gone_is_counted_and_named() -> None:
    with server(401) as (url, _):
        push = MeterPush(url, depot="yard", secret=None)
        push.push([READING])
        assert (push.pushed, push.failed, push.trouble) == (0, 1, "answered 401 Unauthorized")
        push.close()
    push.push([READING])
    assert push.failed == 2
    assert "refused" in push.trouble
    push.close()
