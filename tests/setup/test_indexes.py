"""pip's index settings for uv."""

from __future__ import annotations

import pytest

from tools.setup.indexes import pip_settings, uv_variables

STRATEGY = {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_settings_are_read_as_pip_install_reads_them() -> None:
    lines = (
        ":env:.index-url='https://environment.example/simple'",
        "download.find-links='/not-for-install'",
        "global.extra_index_url='https://a.example/simple\\nhttps://b.example/simple'",
        "global.index-url='https://file.example/simple'",
        "install.timeout='30'",
        "global.timeout='15'",
        "a line that is none",
    )
    assert pip_settings("\n".join(lines)) == {
        "index-url": "https://environment.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "timeout": "30",
    }
    assert pip_settings("") == {}


def test_uv_is_told_of_each_setting_in_its_own_form() -> None:
    settings = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "find-links": "/wheels /more",
        "cert": "/etc/ca.pem",
        "timeout": "30",
        "trusted-host": "mirror.example",
        "quiet": "1",
    }
    assert uv_variables(settings, {}) == STRATEGY | {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "UV_HTTP_TIMEOUT": "30",
        "UV_INSECURE_HOST": "mirror.example",
    }
    assert uv_variables({}, {}) == STRATEGY


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_was_told_itself_wins(variable: str) -> None:
    assert uv_variables({"index-url": "https://pip.example"}, {variable: "https://uv.example"}) == STRATEGY
    assert uv_variables({}, {"UV_INDEX_STRATEGY": "first-index"}) == {}


@pytest.mark.parametrize(
    ("value", "forbids"), [("true", True), ("1", True), ("false", False), ("0", False), ("no", False)]
)
def test_only_a_true_no_index_forbids_the_index(value: str, forbids: bool) -> None:
    assert ("UV_NO_INDEX" in uv_variables({"no-index": value}, {})) is forbids
