"""A listener who takes the test in headless Chromium, by pointer and by keys."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
MISSING = "no chromium and chromedriver on PATH (tests/packages.txt): the page was seen by no browser"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


def chromium():
    """Start a browser that logs what it says and asks for; to be quit."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(DRIVER))


class Listener:
    """Somebody in front of the page."""

    def __init__(self, driver, link: str, size: str = "desktop", pictures: Path | None = None) -> None:
        """Open a link, in a window of this size; pictures of every screen go to a folder, where one is named."""
        self.driver, self.size, self.pictures, self.seen = driver, size, pictures, 0
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": size == "phone"})
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        driver.get(link)
        self.wait(lambda: self.heading)

    def wait(self, true: Callable[[], object], seconds: float = 10) -> object:
        """Wait for something to become so."""
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, f"waited in vain; the page says: {self.text!r}"
            time.sleep(0.02)
        return found

    @property
    def heading(self) -> str:
        """What the screen is called."""
        return self.driver.execute_script("return document.querySelector('h1')?.textContent ?? ''")

    @property
    def text(self) -> str:
        """All that the page says."""
        return self.driver.execute_script("return document.body.innerText")

    def find(self, selector: str):
        """Find an element."""
        return self.driver.find_element("css selector", selector)

    def press(self, selector: str) -> None:
        """Press a button as soon as it can be pressed."""
        self.wait(lambda: self.find(selector).is_enabled())
        self.find(selector).click()

    def picture(self, name: str) -> None:
        """Take a picture of the whole page."""
        self.seen += 1
        if self.pictures:
            height = self.driver.execute_script("return document.documentElement.scrollHeight")
            width = SIZES[self.size][0]
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
            import base64

            path = self.pictures / f"{self.size}.{self.seen:02d}.{name}.png"
            path.write_bytes(base64.b64decode(shot["data"]))

    def agree(self, language: str | None = None) -> None:
        """Agree to take part."""
        if language:
            self.press(f"button[lang={language}]")
        self.find("input[type=checkbox]").click()
        self.leave("button.main")

    def leave(self, selector: str = "button.main") -> None:
        """Press a button, and wait for another screen."""
        self.driver.execute_script("document.querySelector('h1').dataset.old = 1")
        self.press(selector)
        another = "const title = document.querySelector('h1'); return title && !title.dataset.old"
        self.wait(lambda: self.driver.execute_script(another))

    def tell(self, **answers: str) -> None:
        """Fill the questionnaire in."""
        for name, value in answers.items():
            field = self.find(f"#question-{name}")
            if field.tag_name == "select":
                self.driver.execute_script("arguments[0].value = arguments[1]", field, value)
            else:
                field.send_keys(value)
        self.leave()

    def tones(self, rounds: int) -> None:
        """Do the headphone check, by guessing."""
        for _ in range(rounds):
            self.press("button.play")
            self.press("label.option")
            self.leave()

    def play(self) -> None:
        """Play the clip, and hear it to its end."""
        self.press("button.play")
        self.wait(lambda: self.find("#page fieldset input").is_enabled())

    def choose(self, emotion: str) -> None:
        """Choose an emotion."""
        self.press(f"input[value={emotion}]")

    @property
    def say(self) -> str:
        """The note above the clip."""
        return self.driver.execute_script("return document.querySelector('.note')?.textContent ?? ''")

    def drag(self, start: float, end: float) -> None:
        """Drag over the waveform from one pixel to another, from its left edge: a mouse, or a phone's finger."""
        box = self.driver.execute_script(WAVE)
        y = box["top"] + box["height"] / 2
        places = [box["left"] + start + (end - start) * step / 8 for step in range(9)]
        self._point("touchStart", "mousePressed", places[0], y)
        for x in places[1:]:
            self._point("touchMove", "mouseMoved", x, y)
        self._point("touchEnd", "mouseReleased", places[-1], y)

    def marked(self) -> dict[str, float]:
        """Where the marked part and its waveform are, in pixels of the page, and what the sliders say."""
        return self.driver.execute_script(MARKED)

    def _point(self, touch: str, mouse: str, x: float, y: float) -> None:
        if self.size == "phone":
            points = [] if touch == "touchEnd" else [{"x": x, "y": y}]
            self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": touch, "touchPoints": points})
        else:
            pressed = {"button": "left", "buttons": 1, "clickCount": 1}
            self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": mouse, "x": x, "y": y} | pressed)


WAVE = """
const wave = document.querySelector('.wave');
wave.scrollIntoView({ block: 'center' });
const box = wave.firstElementChild.shadowRoot.querySelector('.wrapper').getBoundingClientRect();
return { left: box.left, top: box.top, width: box.width, height: box.height };
"""
MARKED = """
const root = document.querySelector('.wave').firstElementChild.shadowRoot;
const part = root.querySelector('[part~=region]')?.getBoundingClientRect();
const wave = root.querySelector('.wrapper').getBoundingClientRect();
const [start, end] = [...document.querySelectorAll('.slider input')].map((input) => Number(input.value));
return { left: part && part.left - wave.left, right: part && part.right - wave.left, width: wave.width, start, end,
         length: Number(document.querySelector('.slider input').max) };
"""
