"""Build hook: the package is `constructs/cdk_sglang/client` of the repository, under the name of this distribution's package."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE: Final = "cdk_sglang_client"


class ClientSources(BuildHookInterface[Any]):
    """Puts the package of the repository into wheel and sdist; an sdist has it in its place already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files of a build.

        Args:
            version: Kind of the build.
            build_data: What the build is made of; changed here.

        Raises:
            ValueError: An editable install, which cannot give a folder another name.
        """
        if version == "editable":
            raise ValueError(
                "cdk-sglang-client has no editable install; that of cdk-sglang, one folder up, has the same code"
            )
        root = Path(self.root)
        if not (root / PACKAGE).is_dir():
            library = root.parent / "constructs" / "cdk_sglang"
            sources = {library / "client": PACKAGE, library / "py.typed": f"{PACKAGE}/py.typed"}
            build_data["force_include"] |= {str(source): target for source, target in sources.items()}
