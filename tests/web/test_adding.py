"""Data comes in: what is copied from the page works, and a file that is dropped is reported."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from random import Random

from playwright.sync_api import expect

from tests.running import Service
from tests.web.visiting import Visit, drop_file

LENGTH = 1_500
SPIKE = 1_200


def write_csv(path: Path, *others: str) -> Path:
    """A daily wave with a spike, a sample every five minutes; and series that are always 1."""
    random = Random(1)
    rows = [",".join(["timestamp", "requests", *others])]
    for place in range(LENGTH):
        value = 100 + 20 * math.sin(place / 46) + random.gauss(0, 2)
        value += 300 if SPIKE <= place < SPIKE + 3 else 0
        rows.append(f"{1_700_000_000 + 300 * place},{value:.3f}" + ",1" * len(others))
    path.write_text("\n".join(rows) + "\n")
    return path


def test_ways_in_are_tabs(visit: Visit) -> None:
    page = visit.go("/add")
    visit.click("Prometheus", role="tab")
    expect(page.locator("pre").first).to_contain_text(f"{visit.address}/api/v1/write")
    assert page.url.endswith("/add?way=prometheus")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="OpenTelemetry")).to_be_focused()
    expect(page.locator("pre").first).to_contain_text("/v1/metrics")
    page.reload()
    expect(page.get_by_role("tab", selected=True)).to_have_text("OpenTelemetry")


def test_what_is_copied_works_and_is_heard(service: Service, visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.go("/add")
    page.get_by_role("button", name="Copy: Python, nothing installed").click()
    expect(page.locator(".snippet").nth(1)).to_contain_text("copied")
    program = page.evaluate("navigator.clipboard.readText()")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    expect(page.locator(".heard")).to_contain_text("We hear you")
    expect(page.locator(".heard li").first).to_contain_text("127.0.0.1")
    service.client.delete(f"/api/v1/metrics/{service.uid('web.latency')}").raise_for_status()


def test_a_dropped_file_is_reported(visit: Visit, tmp_path: Path) -> None:
    page = visit.go("/")  # whatever view it is dropped on
    drop_file(visit, write_csv(tmp_path / "requests.csv"))
    report = page.locator(".file-report")
    expect(report.locator("h3")).to_have_text("requests.csv")
    expect(report).to_contain_text("in 1,500 samples of one series")
    spike = report.locator(".member-events li").filter(has_text="times higher than expected")
    expect(spike).to_have_count(1)
    expect(report.locator(".plot canvas")).to_be_visible()
    report.get_by_role("button", name="Look").first.click()
    visit.click("All of it")
    expect(page.get_by_role("button", name="All of it")).to_have_count(0)


def test_a_file_that_cannot_be_read_says_why(visit: Visit, tmp_path: Path) -> None:
    visit.provoked.append("400")
    visit.go("/add")
    (tmp_path / "letter.csv").write_text("Dear reader,\nthere is no time in this.\n")
    drop_file(visit, tmp_path / "letter.csv")
    alert = visit.page.get_by_role("alert").filter(has_text="letter.csv")
    expect(alert).to_be_visible(timeout=60_000)


def test_a_file_can_be_chosen_too_and_its_names_are_text(visit: Visit, tmp_path: Path) -> None:
    page = visit.go("/add")
    name = "<img src=x onerror=document.title=3>"
    path = write_csv(tmp_path / f"{name}.csv", name)
    page.locator('input[type="file"]').set_input_files(path)
    report = page.locator(".file-report")
    expect(report.locator("h3")).to_have_text(path.name)
    expect(report.locator("h4").filter(has_text=name)).to_have_text(name)
    assert page.locator('img[src="x"]').count() == 0
