"""Open pages in a real Chromium and record their errors and the addresses that they load."""

import shutil
from typing import Any

from playwright.sync_api import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SIZES = {"desktop": (1300, 900), "phone": (390, 800)}


class Visit:
    """An open page, with the errors that it reported and the addresses that it requested."""

    def __init__(self, browser: Browser, address: str, *, size: str = "desktop", scheme: str = "light", **options: Any):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)  # type: ignore[arg-type]
        self.page = page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(address)

    def outside(self) -> list[str]:
        """Addresses that are not on this machine."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]

    def close(self) -> None:
        """Close the page and its browser data."""
        self.page.context.close()
