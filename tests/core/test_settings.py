"""What a person may set, and what is said when it is wrong."""

from pathlib import Path

import pytest

from core.errors import InvalidInput
from core.settings import home_directory, load, nearest_setting


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STOA_MODEL", "REDIS_URL", "STOA_TIMEZONE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STOA_HOME", str(tmp_path))
    return tmp_path


def test_without_settings_the_offline_model_answers(home: Path) -> None:
    assert load().model == "offline"
    assert load().home == home


def test_the_environment_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "stoa.toml").write_text('model = "ollama/qwen3"\ntimezone = "Asia/Tokyo"\n')
    monkeypatch.setenv("STOA_MODEL", "openai/gpt-5")
    assert load().model == "openai/gpt-5"
    assert str(load().zone) == "Asia/Tokyo"


def test_the_redis_of_the_user_is_named_by_its_usual_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379")
    assert load().redis_url == "redis://localhost:6379"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('timezone = "Paris"', "'Paris' is not a time zone"),
        ("steps = 0", "steps.*greater than or equal to 1"),
        ('colour = "red"', "colour"),
        ("model = ", "stoa.toml"),
        ('tiemzone = "Asia/Tokyo"', "there is no setting tiemzone; did you mean timezone?"),
    ],
)
def test_a_wrong_setting_is_named_with_the_place_it_comes_from(home: Path, text: str, said: str) -> None:
    (home / "stoa.toml").write_text(text)
    with pytest.raises(InvalidInput, match=said) as refused:
        load()
    assert "stoa.toml" in str(refused.value)


@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_counts_as_unset(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOA_HOME", "STOA_MODEL", "STOA_STEPS", "STOA_NAMESPACE", "REDIS_URL"):
        monkeypatch.setenv(name, blank)
    settings = load()
    assert (settings.model, settings.namespace, settings.redis_url) == ("offline", "stoa", "")
    assert settings.home == home_directory() == Path("~/.stoa").expanduser()


def test_blanks_around_a_variable_do_not_count(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOA_HOME", f" {home}\n")
    assert load().home == home


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("STOA_MODELL", "STOA_MODEL"),
        ("STOA_REDIS_URL", "REDIS_URL"),
        ("STOA_TIME_ZONE", "STOA_TIMEZONE"),
        ("STOA_X", ""),
    ],
)
def test_the_setting_with_the_most_similar_name_is_found(name: str, near: str) -> None:
    assert nearest_setting(name) == near
