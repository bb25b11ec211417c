"""Visits of the page: a browser's tab, what must never happen in it, and ways to act in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.browser import PATIENCE_MS, Watch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Response

__all__ = ["DESKTOP", "PHONE", "Visit", "drop_file"]

DESKTOP: Final = (1400, 900)
PHONE: Final = (390, 844)
#: Complaints of the page's policy, kept where the test can read them.
_NOTE_VIOLATIONS: Final = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""
_DROP: Final = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const given = {bubbles: true, cancelable: true, dataTransfer: carried};
    document.querySelector("main").dispatchEvent(new DragEvent(kind, given));
  }
}"""


class Visit:
    """One tab on the page of a service. `close` fails if anything happened that must not."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        *,
        dark: bool = False,
        size: tuple[int, int] = DESKTOP,
        zone: str = "Europe/Berlin",
    ) -> None:
        self.address = address.rstrip("/")
        self._context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            timezone_id=zone,
            locale="en-GB",
            reduced_motion="reduce",
        )
        self._context.set_default_timeout(PATIENCE_MS)
        self._context.add_init_script(_NOTE_VIOLATIONS)
        self.page: Page = self._context.new_page()
        self.watch = Watch(self.page)
        self._refused: list[str] = []
        self.page.on("response", self._answered)
        #: Parts of complaints that a test provokes.
        self.provoked: list[str] = []

    def go(self, path: str, until: str = "main h1") -> Page:
        """Load a view by its address, and wait for something of it."""
        self.page.goto(self.address + path)
        self.page.locator(until).first.wait_for(state="attached")
        return self.page

    def see(self, text: str) -> Locator:
        """Wait until a text is seen in the view; returns where."""
        found = self.page.locator("main").get_by_text(text).first
        found.wait_for()
        return found

    def click(self, name: str, role: Any = "button") -> None:
        """Click what is called so."""
        self.page.get_by_role(role, name=name, exact=True).first.click()

    def overflow(self) -> int:
        """By how many pixels the view is wider than the screen."""
        wider: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wider

    def complaints(self) -> list[str]:
        """Errors, warnings, dialogs, violations of the policy, and requests to elsewhere."""
        own = (self.address + "/", "blob:" + self.address, "data:")
        foreign = [f"request: {url}" for url in self.watch.requests if not url.startswith(own)]
        violations = [f"policy: {one}" for one in self.page.evaluate("window.violations")]
        # Which request was refused is told below, where the browser only says that one was.
        said = [one for one in self.watch.trouble if "responded with a status" not in one]
        found = [*said, *self._refused, *violations, *foreign]
        return [one for one in found if not any(part in one for part in self.provoked)]

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            request = response.request
            self._refused.append(f"{response.status} {request.method} {urlsplit(request.url).path}")

    def close(self) -> None:
        """End the visit. Errors: `AssertionError` names what must not have happened."""
        try:
            found = self.complaints()
            assert not found, f"on {urlsplit(self.page.url).path}: {found}"
        finally:
            self._context.close()


def drop_file(visit: Visit, path: Path) -> None:
    """Drag a file from elsewhere onto the page and let it go there."""
    visit.page.evaluate(_DROP, [path.name, path.read_text()])
