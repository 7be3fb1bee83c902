"""`SglangOptions`: the server options of one model, typed, checked against the image's SGLang, rendered as SM_SGLANG_* variables."""

from __future__ import annotations

from typing import Literal

from cdk_sglang.engine import extra, images, rendering, rules
from cdk_sglang.engine.fields import OptionFields
from cdk_sglang.engine.model_base import typed_dests
from cdk_sglang.engine.releases import DLC_SGLANG_VERSION, SGLANG_VERSION, release_of
from cdk_sglang.errors import Problem


class SglangOptions(OptionFields):
    """Server options of one model; what is absent is left to SGLang.

    Every option of SGLang 0.5.17 to 0.5.23 can be set: the usual ones by a typed field, any other through `extra`. Which of
    them an image has depends on its release (`problems_for`). The container sets host, port and model path itself.

    Example:
        >>> SglangOptions(tp_size=4, context_length=32768, reasoning_parser="qwen3").environment()["SM_SGLANG_TP_SIZE"]
        '4'

    Raises:
        ConfigurationError: When constructed with values outside the types; one line per problem. Combinations are
            checked by `problems`, which knows the path, the model and the GPU.
    """

    def environment(
        self, *, image_kind: Literal["dlc", "cdk-sglang"] = "cdk-sglang", sglang_version: str | None = None
    ) -> dict[str, str]:
        """Render the variables that the container converts to SGLang's arguments; see `rendering` for the rules.

        Spellings and defaults are those of the image's SGLang release; options that it does not have are left out (`problems_for`).

        Args:
            image_kind: Kind of the image whose entry script reads them; determines the release if `sglang_version` is absent.
            sglang_version: SGLang's release in the image, such as "0.5.20". Absent: 0.5.17 for `dlc`, else 0.5.23.
        """
        return rendering.render(self, release=release_of(_version(image_kind, sglang_version)))

    def problems(
        self,
        path: str,
        *,
        model_max_context: int | None = None,
        gpu_capability: str | None = None,
        has_experts: bool | None = None,
        sglang_version: str | None = None,
    ) -> list[Problem]:
        """List every combination that SGLang rejects, or accepts and serves incorrectly; empty if there is none.

        `problems_for` lists options that the image's SGLang release does not have.

        Args:
            path: Path of these options, such as `endpoints.chat.components.llama.server`.
            model_max_context: The model's longest context in tokens; not checked if `None`.
            gpu_capability: The GPU's compute capability, such as "8.9"; not checked if `None`.
            has_experts: Whether the model is a mixture of experts; `None` if unknown.
            sglang_version: SGLang's release in the image, such as "0.5.20"; the rules of 0.5.23 if `None`.
        """
        release = release_of(sglang_version)
        wrong = extra.problems(self.extra, path=path, typed=typed_dests(type(self)), release=release)
        # Values that SGLang would not parse are not checked in combinations.
        sound = self
        if wrong:
            sound = self.model_copy(update={"extra": {k: v for k, v in self.extra.items() if k not in wrong}})
        context = rules.Context(
            model_max_context=model_max_context,
            gpu_capability=gpu_capability,
            has_experts=has_experts,
            sglang_version=release.version,
        )
        return [
            *(Problem(f"{path}.extra.{name}", why) for name, why in wrong.items()),
            *rules.problems(sound, path=path, context=context),
            *rendering.problems(sound, path=path),
        ]

    def problems_for(
        self, image_kind: Literal["dlc", "cdk-sglang"], path: str = "server", *, sglang_version: str | None = None
    ) -> list[Problem]:
        """List options that an image's entry script or SGLang release does not support; empty if there are none.

        Args:
            image_kind: `dlc` for the AWS Deep Learning Container, `cdk-sglang` for this project's image.
            path: Path of these options.
            sglang_version: SGLang's release in the image, such as "0.5.20". Absent: 0.5.17 for `dlc`, else 0.5.23. A release
                before 0.5.17 is checked as 0.5.17, a later or unknown one as 0.5.23.
        """
        return images.problems(self, image_kind=image_kind, path=path, version=_version(image_kind, sglang_version))


def _version(image_kind: Literal["dlc", "cdk-sglang"], version: str | None) -> str:
    return version or (DLC_SGLANG_VERSION if image_kind == "dlc" else SGLANG_VERSION)
