"""A headless Chromium for all tests of this folder."""

import os
import shutil
from collections.abc import Iterator

import pytest

BROWSER, DRIVER = "chromium", "chromedriver"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = [name for name in (BROWSER, DRIVER) if shutil.which(name) is None]
    if missing:
        reason = f"no {' and no '.join(missing)} on the PATH; tests/browser/install.sh installs Debian's packages"
        for item in items:
            if "browser" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    # Here alone, so that the tests are collected where selenium is not installed.
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(shutil.which(BROWSER))
    options.add_argument("--headless=new")
    options.add_argument("--hide-scrollbars")
    options.add_argument("--disable-dev-shm-usage")
    if os.geteuid() == 0:
        # Chromium's sandbox refuses to work for root, as which CI runs.
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Both programs are named, so that selenium looks for none and loads none down.
    driver = webdriver.Chrome(options=options, service=Service(executable_path=shutil.which(DRIVER)))
    yield driver
    driver.quit()
