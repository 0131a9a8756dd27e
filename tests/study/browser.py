"""Pages opened in a real Chromium without a window, which report what goes wrong in them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
WHY_NOT = "needs Chromium (Debian's package chromium) and Playwright (pip's playwright)"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; a test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason=WHY_NOT)
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    with playwright.sync_playwright() as driver:
        # As root, as in a container, Chromium cannot have its sandbox.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, url: str, size: str = "desktop", scheme: str = "light") -> Iterator[Any]:
    """Open a report in a tab of its own, and fail on any error that its console has."""
    width, height = SIZES[size]
    view = {"width": width, "height": height}
    with browser.new_context(viewport=view, color_scheme=scheme) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        yield page
        assert errors == []
