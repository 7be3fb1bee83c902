"""Chromium, driven over a pipe with its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/, read 2026-11)."""

import base64
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Self

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
_LEFT = {
    "Inspected target navigated or closed",
    "Cannot find context with specified id",
    "Execution context was destroyed.",
}
"""What Chromium's protocol says of an expression whose page was left meanwhile."""
_WITHIN_S = 30


class PageLeftError(AssertionError):
    """The page was left while it was asked."""


class Page:
    """One tab of a headless Chromium.

    Args:
        browser: Path of Chromium.
        profile: Folder of its profile, which need not exist.
    """

    def __init__(self, browser: str, profile: Path) -> None:
        read_commands, self._commands = os.pipe()
        self._answers, write_answers = os.pipe()

        def numbered() -> None:  # the numbers that the flag stands for
            os.dup2(os.dup(read_commands), 3)
            os.dup2(os.dup(write_answers), 4)

        command = [browser, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=numbered,  # noqa: PLW1509 -- nothing else offers fixed numbers
        )
        os.close(read_commands)
        os.close(write_answers)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.problems: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def open(self, address: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Open an address in a window of this size, for a reader who prefers this colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for target in ("about:blank", address):  # an address that differs in its end alone would not be loaded again
            self.call("Page.navigate", url=target)

    def value(self, expression: str) -> Any:
        """Value of an expression of JavaScript in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Return once a condition in JavaScript holds; a page that is still loading has none that does."""
        deadline = time.monotonic() + _WITHIN_S
        guarded = f"(() => {{ try {{ return Boolean({condition}); }} catch {{ return false; }} }})()"
        while not self._holds(guarded):
            assert time.monotonic() < deadline, (condition, self.problems, self.value("document.body.innerText"))
            time.sleep(0.05)

    def _holds(self, condition: str) -> bool:
        try:
            return bool(self.value(condition))
        except PageLeftError:  # a click led to another page, which is asked next
            return False

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result; errors of the page meanwhile become `problems`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                left = answer.get("error", {}).get("message") in _LEFT
                assert left or "error" not in answer, (method, answer["error"])
                if left:
                    raise PageLeftError(answer["error"]["message"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._answers, 1 << 20)
            assert part, "Chromium has ended"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(event["params"]["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
            self.problems.append(event["params"]["entry"]["text"] + " " + event["params"]["entry"].get("url", ""))
