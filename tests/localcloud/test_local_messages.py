"""What `make local` shows of a failed deployment: the reason, not what the CDK CLI prints after it."""

from localcloud.local import reason_of

FAILED = """\
\x1b[31m❌  fleet failed to deploy\x1b[39m
\x1b[31m‣ DeploymentError: Resource updates failed:\x1b[39m
Serving-chat/chat/Truth0  (Custom::CdkSglangTruth chatTruth07F16DCE5)
  Message returned: Error: endpoint local-chat: asked for
  configuration two, serves with one

Logs:
  /aws/lambda/fleet-Look

Source Location: ...jsii runtime, node internals...
       "68": 55,
"""


def test_the_reason_of_a_failed_deployment_is_on_the_screen() -> None:
    assert reason_of(FAILED).splitlines() == [
        "‣ DeploymentError: Resource updates failed:",
        "Serving-chat/chat/Truth0  (Custom::CdkSglangTruth chatTruth07F16DCE5)",
        "  Message returned: Error: endpoint local-chat: asked for",
        "  configuration two, serves with one",
    ]


def test_without_an_error_line_the_last_lines_are_shown() -> None:
    assert reason_of("\n".join(map(str, range(20)))).splitlines() == [str(number) for number in range(8, 20)]
