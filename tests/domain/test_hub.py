"""Links to files on the Hugging Face Hub."""

from __future__ import annotations

import pytest

from backend.domain.hub import is_hub_link, parse_hub_link


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hf:lab/trm/step_7", "hf:lab/trm/step_7@main"),
        ("hf:lab/trm-1.5/arc/step_7.safetensors@v1.0", "hf:lab/trm-1.5/arc/step_7.safetensors@v1.0"),
        ("hf:lab/trm/step_7@refs/pr/3", "hf:lab/trm/step_7@refs/pr/3"),
        ("https://huggingface.co/lab/trm/resolve/main/a/step_7?download=true", "hf:lab/trm/a/step_7@main"),
        ("https://huggingface.co/lab/trm/blob/refs%2Fpr%2F3/step%207", "hf:lab/trm/step 7@refs/pr/3"),
    ],
)
def test_a_link_names_a_file_at_a_revision(text: str, meant: str) -> None:
    assert is_hub_link(text)
    assert str(parse_hub_link(text)) == meant


@pytest.mark.parametrize(
    "text",
    [
        "hf:trm/step_7",
        "hf:lab/trm/",
        "hf:lab/trm/../other",
        "hf:lab/trm/a//b",
        "hf:lab/trm/step_7@",
        "http://huggingface.co/lab/trm/resolve/main/step_7",
        "https://huggingface.co/lab/trm",
        "https://huggingface.co/lab/trm/resolve/main/%2e%2e/step_7",
        "https://example.org/lab/trm/resolve/main/step_7",
        "https://huggingface.co.example.org/lab/trm/resolve/main/step_7",
    ],
)
def test_what_is_no_link_to_a_file_is_refused(text: str) -> None:
    assert is_hub_link(text)
    with pytest.raises(ValueError, match="link to a file"):
        parse_hub_link(text)


def test_a_path_is_no_link() -> None:
    assert not any(map(is_hub_link, ("/weights/step_7", "step_7", "~/hf/step_7")))
