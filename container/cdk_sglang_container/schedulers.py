"""SGLang's scheduler process, with what the container adds to it: a heartbeat, and a bound on the time of grammars."""

from __future__ import annotations

import os
from typing import Any

from cdk_sglang_container.grammar_time import limit_grammars
from cdk_sglang_container.heartbeat import let_beat
from cdk_sglang_container.settings import Settings


def run_scheduler(*arguments: Any, **options: Any) -> None:
    """Run SGLang's scheduler process."""
    from sglang.srt.constrained.xgrammar_backend import XGrammarGrammar
    from sglang.srt.managers import scheduler
    from sglang.srt.managers.schedule_batch import FINISH_ABORT
    from sglang.srt.managers.scheduler_components.batch_result_processor import SchedulerBatchResultProcessor
    from sglang.srt.model_executor.model_runner import ModelRunner

    let_beat(scheduler.Scheduler, ModelRunner)
    milliseconds = Settings.from_environment(os.environ).max_grammar_ms
    limit_grammars(XGrammarGrammar, SchedulerBatchResultProcessor, FINISH_ABORT, per_token_s=milliseconds / 1000)
    scheduler.run_scheduler_process(*arguments, **options)
