"""The live page in a real browser, against a server that keeps the HTTP contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Watch, trace, until, view, wait_for_chart
from tests.browser import chromium_fixture as chromium_fixture
from tests.web.served import Server, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def world() -> World:
    world = World()
    world.add_metric("m1", "cpu.percent", labels={"host": "a"})
    world.add_metric("m2", "mem.used", level=6e9)
    world.add_metric("m3", "disk.write", 37)
    return world


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(viewport={"width": 1200, "height": 900}) as context:
        yield context.new_page()


@pytest.fixture
def live(world: World, page: Page) -> Iterator[Server]:
    """The page, open, with its first cards."""
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector(".metric")
        yield server
        page.goto("about:blank")


def names(page: Page) -> list[str]:
    return page.locator(".metric .name").all_inner_texts()


def drawn(page: Page, uid: str) -> bool:
    """Whether there is ink on a card's canvas."""
    found: bool = page.evaluate(
        """uid => {
          const canvas = document.querySelector(`[data-uid="${uid}"] canvas`);
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          return data.some(x => x > 0);
        }""",
        uid,
    )
    return found


def test_shows_state_and_cards(page: Page, world: World) -> None:
    watch = Watch(page)
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector(".metric")
        until(page, "document.querySelector('#pulse').className === 'live'")
        assert "3 metrics · 1 warming up" in page.inner_text("#state")
        assert names(page) == ["cpu.percent", "disk.write", "mem.used"]
        assert page.inner_text("[data-uid=m1] .labels") == "host=a"
        assert page.inner_text("[data-uid=m3] .state") == "warming up 37 of 150"
        assert page.is_visible("#no-events")
        page.wait_for_timeout(300)
        assert all(drawn(page, uid) for uid in world.metrics)
        assert watch.trouble == []
        assert all(url.startswith(server.url) for url in watch.requests)
        page.goto("about:blank")


def test_new_samples_and_events_appear(page: Page, world: World, live: Server) -> None:
    world.grow("m2", value=6.5e9)
    until(page, "document.querySelector('[data-uid=m2] .last').textContent === '6.5B'")
    assert names(page)[0] == "cpu.percent"
    world.grow("m2", value=60e9)
    page.wait_for_selector("#recent li")
    line = page.inner_text("#recent li")
    assert "mem.used" in line
    assert "60,000,000,000 where about" in line
    assert "1 in 10 billion" in line
    assert "still open" in line
    until(page, "document.querySelector('.metric .name').textContent === 'mem.used'")
    assert page.locator("[data-uid=m2].open").count() == 1


def test_polls_when_there_is_no_stream(page: Page, world: World) -> None:
    world.streams = False
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector(".metric")
        world.grow("m1", value=12.5)
        until(page, "document.querySelector('[data-uid=m1] .last').textContent === '12.5'")
        assert page.locator("#pulse.polling").count() == 1
        page.goto("about:blank")


def test_search_narrows_the_wall(page: Page, live: Server) -> None:
    page.fill("#search", "HOST=A")
    assert names(page) == ["cpu.percent"]
    assert page.inner_text("#found") == "1 metric"
    page.fill("#search", "")
    assert len(names(page)) == 3


def test_one_metric_in_large_and_live(page: Page, world: World, live: Server) -> None:
    world.grow("m1", value=400.0)
    page.click("[data-uid=m1]")
    wait_for_chart(page)
    assert page.url.endswith("#metric=m1")
    assert page.inner_text("#name") == "cpu.percent"
    assert "1 event" in page.inner_text("#events-head")
    assert max(y for y in trace(page, "value")["y"] if y is not None) == 400
    assert len(trace(page, "events")["x"]) == 1
    before = view(page)[1]
    world.grow("m1", value=55.5)
    until(page, f"document.querySelector('.plot').layout.xaxis.range[1] > {before}")
    assert trace(page, "value")["y"][-1] == 55.5


def test_a_zoomed_view_stays_while_samples_arrive(page: Page, world: World, live: Server) -> None:
    page.click("[data-uid=m1]")
    wait_for_chart(page)
    page.click("#in")
    zoomed = view(page)
    world.grow("m1")
    until(page, "document.querySelector('#about').textContent.includes('401 samples')")
    page.wait_for_timeout(500)
    assert view(page) == zoomed


def test_ranges_and_addresses(page: Page, world: World, live: Server) -> None:
    page.goto(live.url + "#metric=m2&range=all")
    wait_for_chart(page)
    assert page.get_attribute("[data-range=all]", "aria-pressed") == "true"
    everything = view(page)
    page.click("[data-range='5m']")
    until(page, "document.querySelector('[data-range=\"5m\"]').ariaPressed === 'true'")
    until(
        page,
        "(([a, b]) => b - a < 400e3)(document.querySelector('.plot').layout.xaxis.range)",
    )
    assert everything[1] - everything[0] > 1_900_000
    assert "range=5m" in page.url
    page.click(".back")
    page.wait_for_selector(".metric")
    assert page.is_hidden("#detail")


def test_an_event_opens_where_it_happened(page: Page, world: World, live: Server) -> None:
    world.grow("m1", value=400.0)
    page.click("#recent li a")
    wait_for_chart(page)
    assert "from=" in page.url
    assert len(trace(page, "events")["x"]) == 1


def test_hostile_names_are_text(page: Page, world: World) -> None:
    watch = Watch(page)
    world.add_metric("<b>", HOSTILE, labels={HOSTILE: HOSTILE})
    world.grow("<b>", value=4000)
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector("#recent li")
        assert HOSTILE in names(page)
        assert page.locator("main img").count() == 0
        page.click("#recent li a")
        wait_for_chart(page)
        assert page.inner_text("#name") == HOSTILE
        assert page.locator("main img").count() == 0
        assert watch.trouble == []
        page.goto("about:blank")


def test_asks_for_a_token_once(page: Page, world: World) -> None:
    world.token = "s3cret"
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector("#login[open]")
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        until(page, "sessionStorage.getItem('tocsin-token') === 'wrong'")
        page.wait_for_selector("#login[open]")
        page.fill("#token", "s3cret")
        page.keyboard.press("Enter")
        page.wait_for_selector(".metric")
        page.reload()
        page.wait_for_selector(".metric")
        assert page.is_hidden("#login")
        page.goto("about:blank")


def test_says_when_tocsin_is_gone_and_comes_back(page: Page, world: World, live: Server) -> None:
    page.context.set_offline(True)
    until(page, "document.querySelector('#state').textContent.includes('no answer')")
    page.context.set_offline(False)
    until(page, "document.querySelector('#state').textContent.includes('3 metrics')")


def test_an_empty_tocsin_says_how_to_begin(page: Page) -> None:
    with Server(World()) as server:
        page.goto(server.url)
        page.wait_for_selector("#empty")
        assert f"curl {server.url}api/v1/samples" in page.inner_text("#example")
        assert "0 metrics" in page.inner_text("#state")
        page.goto("about:blank")


def test_a_large_wall_shows_a_part_at_first(page: Page) -> None:
    world = World()
    for i in range(700):
        world.add_metric(f"m{i}", f"metric.{i:03}", 5)
    with Server(world) as server:
        page.goto(server.url)
        page.wait_for_selector(".metric")
        assert "700 metrics" in page.inner_text("#state")
        assert len(names(page)) == 60
        page.click("#more")
        assert len(names(page)) == 300
        page.goto("about:blank")


def test_fits_a_phone(chromium: Browser, world: World) -> None:
    world.grow("m1", value=400.0)
    with (
        Server(world) as server,
        chromium.new_context(viewport={"width": 375, "height": 800}) as context,
    ):
        page = context.new_page()
        page.goto(server.url)
        page.wait_for_selector(".metric")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        page.click("[data-uid=m1]")
        wait_for_chart(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        page.goto("about:blank")
