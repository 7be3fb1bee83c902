"""Images of a chat: bytes, files and addresses become parts of a message, and reach the container as they are."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from cdk_sglang.client import InferenceClient, image_part
from cdk_sglang.environments.planning import resolve_fleet
from cdk_sglang.environments.reading import parse
from tests.docs.blocks import blocks
from tests.localcloud.helpers import any_component, any_endpoint, eventually, in_service

PNG, JPEG, GIF = b"\x89PNG\r\n\x1a\nrest", b"\xff\xd8\xff\xe0rest", b"GIF89arest"
WEBP = b"RIFF\x10\0\0\0WEBPrest"


@pytest.mark.parametrize(("content", "kind"), [(PNG, "png"), (JPEG, "jpeg"), (GIF, "gif"), (WEBP, "webp")])
def test_bytes_and_files_travel_with_the_request_under_their_own_format(
    content: bytes, kind: str, tmp_path: Path
) -> None:
    url = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    file = tmp_path / "a picture.bin"  # the format is that of the content, whatever the name says
    file.write_bytes(content)
    part = {"type": "image_url", "image_url": {"url": url}}
    assert image_part(content) == image_part(file) == image_part(str(file)) == part


@pytest.mark.parametrize("url", ["https://example.com/a.png", "HTTP://example.com/a", "data:image/png;base64,aGk="])
def test_addresses_stay_as_they_are(url: str) -> None:
    assert image_part(url)["image_url"] == {"url": url}
    assert image_part(url, detail="low")["image_url"] == {"url": url, "detail": "low"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"BM1234567890",
            "the image: begins with b'BM123456', which is no PNG, JPEG, WebP or GIF; convert it to one of those",
        ),
        (b"", "the image: is empty, which is no PNG, JPEG, WebP or GIF; convert it to one of those"),
    ],
)
def test_what_is_no_image_is_said_before_anything_is_sent(content: bytes, text: str) -> None:
    with pytest.raises(ValueError, match="which is no PNG") as error:
        image_part(content)
    assert str(error.value) == text


def test_a_file_that_is_not_there_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        image_part(tmp_path / "none.png")


def test_a_chat_carries_the_image_to_the_container(serving: Any, options: dict[str, Any]) -> None:
    content = [image_part(PNG), {"type": "text", "text": "What is it?"}]
    answer = InferenceClient("fleet", "llama", **options).chat([{"role": "user", "content": content}])
    assert json.dumps(image_part(PNG)["image_url"]["url"])[1:-1] in answer["choices"][0]["message"]["content"]


def test_the_guides_environment_plans_images_and_its_program_sends_one(
    cloud: Any, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment, program = (block.text for block in blocks("yaml", "python") if block.document == "docs/images.md")
    resolved = resolve_fleet(parse(environment, source="vision.yaml"), name="vision")
    assert resolved.problems == ()
    (plan,) = resolved.plan.endpoints[0].components
    assert plan.images_note.startswith("images: 2 a request, 2,040 prompt tokens each")
    sagemaker = client("sagemaker")
    any_endpoint(sagemaker, "vision-vision")
    eventually(lambda: sagemaker.describe_endpoint(EndpointName="vision-vision")["EndpointStatus"] == "InService")
    any_component(sagemaker, "vision-vision-qwen", endpoint="vision-vision")
    in_service(sagemaker, "vision-vision-qwen")
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
    for name, value in cloud.credentials.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    Path("photo.png").write_bytes(PNG)
    exec(compile(program, "docs/images.md", "exec"), {})
    assert "data:image/png;base64," in capsys.readouterr().out
