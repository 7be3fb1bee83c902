"""The definition of the state machine: the order of its steps, and the named end of each path.

Each task gets the whole state and adds what it returns under its own key: `inputs`, `job`, `watch`, `draft`, `assembled`, `gate`, `bench`,
`verdict`, `closed`, `approval`, `promotion`. Every path leads through `clean_up`, whose result is the output, or the cause, of the execution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from cdk_sglang.optimization.steps import APPROVAL_DAYS, BAD_ENDS, GOOD_ENDS
from cdk_sglang.spec.speculative import Kind

_ADDED: Final = {
    "check_inputs": "inputs",
    "start_training": "job",
    "watch_training": "watch",
    "read_draft": "draft",
    "assemble": "assembled",
    "open_gate": "gate",
    "watch_gate_open": "gate",
    "run_gate": "bench",
    "judge": "verdict",
    "close_gate": "closed",
    "ask_approval": "approval",
    "promote": "promotion",
    "watch_promotion": "promotion",
    "clean_up": "ended",
}
"""Key under which the state keeps what a step returns."""

_LAMBDA_ERRORS: Final = [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
"""Transient errors of Lambda itself
(https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception, read 2026-11)."""
_THROTTLED: Final = "Throttled"
"""Raised by a function when AWS throttles it beyond the SDK's own attempts."""
_CUT_SHORT: Final = ["Sandbox.Timedout", "Lambda.Unknown"]
"""A function that ran out of time or memory; every step can be repeated."""


class Definition:
    """Builds the states of one pipeline.

    Args:
        scope: Parent of the states.
        functions: Functions by step.
        kind: Source of the draft.
        approval: Whether a person has to approve.
    """

    def __init__(
        self, scope: Construct, functions: Mapping[str, lambda_.IFunction], *, kind: Kind, approval: bool
    ) -> None:
        self._scope, self._functions, self._kind, self._approval = scope, functions, kind, approval
        self._ways: dict[str, sfn.Pass] = {}
        self._last = self._end()
        self._named_error = self._way("named_error", sfn.JsonPath.string_at("$.error.Error"))

    def build(self) -> sfn.IChainable:
        """Return the first state."""
        promotion = self._promotion()
        gate = self._gate(self._approved(promotion) if self._approval else promotion)
        draft = self._draft(gate) if self._kind in {"eagle", "draft"} else gate
        ready = self._training(draft) if self._kind == "eagle" else draft
        check = self._task("check_inputs")
        check.next(
            self._choice("inputs_ready")
            .when(sfn.Condition.string_equals("$.inputs.state", "ready"), ready)
            .otherwise(self._way("inputs_ended", sfn.JsonPath.string_at("$.inputs.state")))
        )
        return self._named_run(check)

    def _named_run(self, following: sfn.IChainable) -> sfn.Choice:
        """Name a run that a schedule or an alarm starts, by its time and four hexadecimal digits."""
        path = sfn.JsonPath
        time = [path.string_at(f"$.split.time[{index}]") for index in range(6)]
        digits = path.array_get_item(path.string_split(path.uuid(), "-"), 1)
        split = self._pass(
            "split_time",
            {"time": path.string_split(path.string_at("$$.Execution.StartTime"), "-T:.Z")},
            result_path="$.split",
        )
        name = self._pass("name_run", {"run": path.format("r{}{}{}T{}{}{}-{}", *time, digits)}, result_path="$.named")
        begin_named = self._pass("begin_named", self._begun("$.named.run"))
        split.next(name).next(begin_named).next(following)
        begin = self._pass("begin", self._begun("$.run"))
        begin.next(following)
        has_run = self._choice("has_run").when(sfn.Condition.is_present("$.run"), begin).otherwise(split)
        default = sfn.Pass(
            self._scope, "default_reason", result=sfn.Result.from_string("start"), result_path="$.reason"
        )
        default.next(has_run)
        return self._choice("has_reason").when(sfn.Condition.is_present("$.reason"), has_run).otherwise(default)

    @staticmethod
    def _begun(run: str) -> dict[str, Any]:
        path = sfn.JsonPath
        return {
            "run": path.string_at(run),
            "reason": path.string_at("$.reason"),
            "execution": {
                "id": path.string_at("$$.Execution.Id"),
                "started": path.string_at("$$.Execution.StartTime"),
                "machine": path.string_at("$$.StateMachine.Id"),
            },
        }

    def _training(self, following: sfn.IChainable) -> sfn.IChainable:
        start, watch = self._task("start_training"), self._task("watch_training")
        status = "$.watch.status"
        start.next(watch).next(
            self._choice("training_ended")
            .when(sfn.Condition.string_equals(status, "completed"), following)
            .when(sfn.Condition.string_equals(status, "running"), self._wait("wait_training", "watch").next(watch))
            .when(sfn.Condition.string_equals(status, "stopped"), self._to("JobStopped"))
            .when(sfn.Condition.string_equals(status, "ceiling"), self._to("CeilingReached"))
            .otherwise(self._to("JobFailed"))
        )
        return start

    def _draft(self, following: sfn.IChainable) -> sfn.IChainable:
        read, assemble = self._task("read_draft"), self._task("assemble")
        assemble.next(
            self._choice("whole")
            .when(sfn.Condition.boolean_equals("$.assembled.done", value=True), following)
            .otherwise(assemble)
        )
        read.next(
            self._choice("draft_fits")
            .when(sfn.Condition.string_equals("$.draft.state", "ready"), assemble)
            .otherwise(self._to("DraftRefused"))
        )
        return read

    def _gate(self, following: sfn.IChainable) -> sfn.IChainable:
        opening, watch = self._task("open_gate"), self._task("watch_gate_open")
        measure, judge, close = self._task("run_gate"), self._task("judge"), self._task("close_gate")
        opened = self._choice("gate_open")
        state = "$.gate.state"
        opened.when(sfn.Condition.string_equals(state, "open"), measure)
        opened.when(sfn.Condition.string_equals(state, "opening"), self._wait("wait_gate_open", "gate").next(watch))
        opened.otherwise(self._to("GateFailed"))
        opening.next(opened)
        watch.next(opened)
        state = "$.bench.state"
        measure.next(
            self._choice("measured")
            .when(sfn.Condition.string_equals(state, "done"), judge)
            .when(sfn.Condition.string_equals(state, "running"), self._wait("wait_gate", "bench").next(measure))
            .when(sfn.Condition.string_equals(state, "ceiling"), self._to("CeilingReached"))
            .otherwise(self._to("GateFailed"))
        )
        # Closed before approval is requested: a week of waiting must not cost two copies.
        judge.next(close).next(
            self._choice("is_faster")
            .when(sfn.Condition.string_equals("$.verdict.state", "yes"), following)
            .otherwise(self._to("GateSaidNo"))
        )
        return opening

    def _approved(self, following: sfn.IChainable) -> sfn.IChainable:
        ask = tasks.LambdaInvoke(
            self._scope,
            "ask_approval",
            lambda_function=self._functions["ask_approval"],
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            payload=sfn.TaskInput.from_object({"token": sfn.JsonPath.task_token, "state": sfn.JsonPath.entire_payload}),
            task_timeout=sfn.Timeout.duration(cdk.Duration.days(APPROVAL_DAYS)),
            result_path="$.approval",
            retry_on_service_exceptions=False,
        )
        self._retry(ask)
        ask.add_catch(self._to("ApprovalTimedOut"), errors=["States.Timeout"], result_path="$.error")
        self._catch(ask)
        ask.next(
            self._choice("approved")
            .when(
                sfn.Condition.and_(
                    sfn.Condition.is_present("$.approval.approved"),
                    sfn.Condition.boolean_equals("$.approval.approved", value=True),
                ),
                following,
            )
            .otherwise(self._to("ApprovalRefused"))
        )
        return ask

    def _promotion(self) -> sfn.IChainable:
        promote, watch = self._task("promote"), self._task("watch_promotion")
        state = "$.promotion.state"
        ended = self._choice("promotion_ended")
        ended.when(sfn.Condition.string_equals(state, "done"), self._to("Promoted"))
        ended.when(sfn.Condition.string_equals(state, "running"), self._wait("wait_promotion", "promotion").next(watch))
        ended.when(sfn.Condition.string_equals(state, "rolled_back"), self._to("PromotionRolledBack"))
        ended.when(sfn.Condition.string_equals(state, "base_changed"), self._to("BaseChanged"))
        ended.otherwise(self._to("Failed"))
        promote.next(ended)
        watch.next(ended)
        return promote

    def _end(self) -> sfn.IChainable:
        """Return the clean-up, followed by the named ends."""
        clean_up = self._task("clean_up", catch=False)
        choice = self._choice("end")
        for name in GOOD_ENDS:
            end: sfn.IChainable = sfn.Succeed(self._scope, name, output_path="$.ended")
            choice.when(sfn.Condition.string_equals("$.end.state", name), end)
        cause = sfn.JsonPath.json_to_string(sfn.JsonPath.object_at("$.ended"))
        for name in BAD_ENDS[:-1]:
            choice.when(
                sfn.Condition.string_equals("$.end.state", name),
                sfn.Fail(self._scope, name, error=name, cause_path=cause),
            )
        failed = BAD_ENDS[-1]
        choice.otherwise(sfn.Fail(self._scope, failed, error=failed, cause_path=cause))
        left = self._pass(
            "clean_up_failed",
            {
                "state": sfn.JsonPath.string_at("$.end.state"),
                "reason": "the clean-up failed; it is tried again when the execution has ended",
                "next": "cdk-sglang eagle status",
                "run": sfn.JsonPath.string_at("$.run"),
                "spent_usd": None,
                "report": None,
            },
            result_path="$.ended",
        )
        left.next(choice)
        clean_up.add_catch(left, errors=["States.ALL"], result_path="$.clean_up_error")
        clean_up.next(choice)
        return clean_up

    def _task(self, step: str, *, catch: bool = True) -> tasks.LambdaInvoke:
        task = tasks.LambdaInvoke(
            self._scope,
            step,
            lambda_function=self._functions[step],
            payload_response_only=True,
            result_path=f"$.{_ADDED[step]}",
            retry_on_service_exceptions=False,
        )
        self._retry(task)
        if catch:
            self._catch(task)
        return task

    @staticmethod
    def _retry(task: tasks.LambdaInvoke) -> None:
        task.add_retry(
            errors=[*_LAMBDA_ERRORS, _THROTTLED],
            interval=cdk.Duration.seconds(10),
            backoff_rate=2,
            max_attempts=6,
            max_delay=cdk.Duration.minutes(5),
            jitter_strategy=sfn.JitterType.FULL,
        )
        task.add_retry(errors=_CUT_SHORT, interval=cdk.Duration.seconds(10), max_attempts=1)

    def _catch(self, task: tasks.LambdaInvoke) -> None:
        """Route an error with the name of an end to that end, and every other error to `Failed`."""
        names = [name for name in (*GOOD_ENDS, *BAD_ENDS) if name not in {"Promoted", "Failed"}]
        task.add_catch(self._named_error, errors=names, result_path="$.error")
        task.add_catch(self._to("Failed"), errors=["States.ALL"], result_path="$.error")

    def _to(self, end: str) -> sfn.IChainable:
        return self._way(f"to_{end}", end)

    def _way(self, construct_id: str, state: str) -> sfn.Pass:
        """Return the state that records how the run ends and continues with the clean-up."""
        if construct_id not in self._ways:
            way = self._pass(construct_id, {"state": state}, result_path="$.end")
            way.next(self._last)
            self._ways[construct_id] = way
        return self._ways[construct_id]

    def _pass(self, construct_id: str, parameters: dict[str, Any], *, result_path: str | None = None) -> sfn.Pass:
        return sfn.Pass(self._scope, construct_id, parameters=parameters, result_path=result_path)

    def _wait(self, construct_id: str, key: str) -> sfn.Wait:
        return sfn.Wait(self._scope, construct_id, time=sfn.WaitTime.seconds_path(f"$.{key}.wait_seconds"))

    def _choice(self, construct_id: str) -> sfn.Choice:
        return sfn.Choice(self._scope, construct_id)
