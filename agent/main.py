"""The agent's entry point on Amazon Bedrock AgentCore Runtime: HTTP on port 8080, `POST /invocations` and `GET /ping`.

Started as `main.py` or `opentelemetry-instrument main.py`; in both cases spans and logs leave with patients' data redacted (`intake/telemetry.py`).
"""

from __future__ import annotations

import os

from intake import telemetry

telemetry.start()  # before the modules that it instruments are imported

from intake.app import app

if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8080")), host=os.environ.get("HOST"))
