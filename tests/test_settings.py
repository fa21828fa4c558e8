"""Settings: defaults, the environment, and what is said about a value that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.settings import PREFIX, InvalidSettings, Settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_unset_means_one_folder_in_the_working_directory(tmp_path: Path) -> None:
    settings = Settings.load()
    assert settings.home == tmp_path / ".etrm"
    assert settings.database_url == f"sqlite:///{tmp_path}/.etrm/etrm.sqlite3"
    assert settings.artifacts == tmp_path / ".etrm" / "artifacts"
    assert (settings.host, settings.port, settings.broker_url) == ("127.0.0.1", 8000, None)


def test_all_local_state_follows_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ETRM_HOME", "elsewhere")
    monkeypatch.setenv("ETRM_DATABASE_URL", "")  # empty is unset
    settings = Settings.load()
    assert settings.database_url == f"sqlite:///{tmp_path}/elsewhere/etrm.sqlite3"
    assert settings.artifacts == tmp_path / "elsewhere" / "artifacts"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgres_urls_get_the_installed_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("ETRM_DATABASE_URL", f"{scheme}://lab:secret@db/etrm")
    assert Settings.load().database_url == "postgresql+psycopg://lab:secret@db/etrm"


def test_allowed_hosts_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETRM_ALLOWED_HOSTS", "lab.example, gpu1")
    assert Settings.load().allowed_hosts == ("lab.example", "gpu1")


def test_the_public_address_is_an_origin_whose_host_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETRM_PUBLIC_URL", "https://lab.example:443/")
    monkeypatch.setenv("ETRM_ALLOWED_HOSTS", "gpu1")
    assert Settings.load().public_url == "https://lab.example"
    assert Settings.load().public_hosts == ("gpu1", "lab.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("DATABASE_URL", "mysql://lab:secret@db/etrm"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("ARTIFACTS_URL", "https://bucket.s3.example/lab"),
        ("ARTIFACTS_URL", "s3://key:secret@bucket/lab"),
        ("BROKER_URL", "amqp://lab:secret@mq"),
        ("PUBLIC_URL", "lab.example"),
        ("PUBLIC_URL", "https://ada:secret@lab.example"),
        ("PUBLIC_URL", "https://lab.example/lab"),
    ],
)
def test_a_bad_value_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ETRM_{name}", value)
    with pytest.raises(InvalidSettings) as caught:
        Settings.load()
    message = str(caught.value)
    assert message.startswith(f"ETRM_{name}: ")
    assert "\n" not in message
    assert "secret" not in message


def test_a_password_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETRM_DATABASE_URL", "postgresql://lab:secret@db/etrm")
    assert "secret" not in repr(Settings.load())


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
