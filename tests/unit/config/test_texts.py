"""The texts of a configuration, apart from the files they came from."""

from __future__ import annotations

from pathlib import Path

from plano.config.load import read
from plano.config.texts import Texts

CONFIG = """\
version: v0.4.0
model_providers:
  - model: openai/gpt-4o
    access_key: $OPENAI_API_KEY
"""


def test_what_was_taken_does_not_change_with_the_files(tmp_path: Path) -> None:
    """A worker that replaces another must not run on another configuration than its siblings."""
    file, dotenv = tmp_path / "config.yaml", tmp_path / ".env"
    file.write_text(CONFIG)
    dotenv.write_text("OPENAI_API_KEY=sk-canary\n")
    texts = Texts.take(file)
    before = read(texts, {})

    file.write_text("half writ")
    dotenv.unlink()
    after = read(texts, {})

    assert (after.problems, after.configuration) == ((), before.configuration)


def test_secrets_are_not_in_its_representation(tmp_path: Path) -> None:
    """It travels between processes; what shows up in a traceback on the way must be harmless."""
    (tmp_path / "config.yaml").write_text(CONFIG.replace("$OPENAI_API_KEY", "sk-canary-1"))
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-canary-2\n")

    texts = Texts.take(tmp_path / "config.yaml")

    assert "canary" not in repr(texts)


def test_a_dotenv_without_end_is_none(tmp_path: Path) -> None:
    """It is found beside the file, so nobody has to have meant it."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / ".env").symlink_to("/dev/zero")

    texts = Texts.take(tmp_path / "config.yaml")

    assert (texts.content, texts.dotenv) == (CONFIG.encode(), "")
