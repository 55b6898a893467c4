"""Both verifiers answer every vector and every script of sdks/vectors as the verifiers of the other languages do."""

from __future__ import annotations

from typing import Any

import pytest

from miniprogram_auth_verifier import AsyncVerifier, Verifier
from vectors import FOLDER, VECTOR_FILES, Kind, differs, play_script, play_vector, read

FILES = {name: read(name) for name in VECTOR_FILES}
SCRIPTS = read("scripts.json")

both = pytest.mark.parametrize("kind", [Verifier, AsyncVerifier])


def test_no_file_is_left_out() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {*VECTOR_FILES, "scripts.json", "keys.json"}
    assert sum(len(content["vectors"]) for content in FILES.values()) >= 150


@both
@pytest.mark.parametrize(
    ("name", "vector"),
    [pytest.param(name, vector, id=vector["id"]) for name, content in FILES.items() for vector in content["vectors"]],
)
def test_vector(kind: Kind, name: str, vector: dict[str, Any]) -> None:
    verdict, foreign = play_vector(kind, FILES[name], vector)
    assert not differs(verdict, vector["expect"]), (vector["why"], verdict, vector["expect"])
    assert foreign == []


@both
@pytest.mark.parametrize("script", [pytest.param(script, id=script["id"]) for script in SCRIPTS["scripts"]])
def test_script(kind: Kind, script: dict[str, Any]) -> None:
    assert play_script(kind, SCRIPTS, script) is None, script["why"]
