"""From a file to one form of configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plano.config.configuration import Configuration, Listener
from plano.config.explain import json_schema
from plano.config.load import find, from_environment, load, read
from plano.config.problems import ConfigurationInvalid, Place, Problem
from plano.config.schema import File
from plano.config.secret import Secret


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Loads a text as if it were a file."""

    def write(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return load(path, environment or {})

    return write


MODELS = "model_providers:\n  - {model: openai/gpt-4o}\n"


def test_a_listener_that_is_not_written_has_the_defaults(written: Any) -> None:
    """Clients of the original look for port 12000."""
    assert written("version: v0.4.0\n" + MODELS).listener == Listener(
        "model_listener", "0.0.0.0", 12000, 300.0, {}, None
    )


def test_the_listener_of_type_model_is_the_one(written: Any) -> None:
    """The others are somebody else's."""
    listener = written(
        "version: v0.3.0\n" + MODELS + "listeners:\n"
        "  - {type: agent, name: a, port: 8001}\n"
        "  - {type: model, name: m, address: '::1', port: 0, timeout: 30s, max_retries: 3,"
        " limits: {body_bytes: 1MiB}}\n"
    ).listener

    assert listener == Listener("m", "::1", 0, 30.0, {"body_bytes": 1024**2}, 3)


def test_the_legacy_listeners_are_read(written: Any) -> None:
    """Files of v0.1 still run."""
    configuration = written(
        "version: v0.1\n" + MODELS + "listeners:\n"
        "  egress_traffic: {address: 127.0.0.1, port: 12345, message_format: openai, timeout: 30s}\n"
        "  ingress_traffic: {port: 10000}\n"
    )

    assert configuration.listener == Listener("egress_traffic", "127.0.0.1", 12345, 30.0)


def test_the_timeouts_reach_the_limits(written: Any) -> None:
    """`timeout` bounds the exchange, `upstream_connect_timeout` the connect."""
    configuration = written(
        "version: v0.4.0\n" + MODELS + "listeners: [{type: model, name: m, timeout: 30s}]\n"
        "overrides: {upstream_connect_timeout: 10s}\n"
    )

    limits = configuration.client_limits
    assert (limits.exchange_s, limits.connect_s) == (30.0, 10.0)


def test_routes_under_models_become_routes_of_their_own(written: Any) -> None:
    """v0.3.0 wrote them so: one name, several models, in the order of declaration."""
    configuration = written(
        "version: v0.3.0\n"
        "model_providers:\n"
        "  - model: openai/gpt-4o\n"
        "    routing_preferences:\n"
        "      - {name: code, description: writing code}\n"
        "      - {name: prose, description: essays}\n"
        "  - model: anthropic/claude-sonnet-4-5\n"
        "    name: sonnet\n"
        "    routing_preferences:\n"
        "      - {name: code, description: reviewing code}\n"
    )

    routes = [(route.name, route.description, route.models, route.paths) for route in configuration.routes]
    first, second = ("model_providers", 0, "model"), ("model_providers", 1, "model")
    assert routes == [
        ("code", "writing code", ("openai/gpt-4o", "sonnet"), (first, second)),
        ("prose", "essays", ("openai/gpt-4o",), (first,)),
    ]


def test_routes_under_models_are_lifted_from_new_files_too(written: Any) -> None:
    """The original ignores them there without a word."""
    configuration = written(
        "version: v0.4.0\n"
        "model_providers:\n"
        "  - model: openai/o3\n"
        "    routing_preferences: [{name: maths, description: sums}]\n"
    )

    assert [route.name for route in configuration.routes] == ["maths"]
    assert "deprecated form: write routing_preferences at the top" in configuration.warnings[0]


def test_a_route_at_the_top_wins_over_one_of_its_name_under_a_model(written: Any) -> None:
    """As in the original; but it is said."""
    configuration = written(
        "version: v0.3.0\n"
        "model_providers:\n"
        "  - model: openai/o3\n"
        "    routing_preferences: [{name: maths, description: sums}]\n"
        "routing_preferences: [{name: maths, description: proofs, models: [openai/o3]}]\n"
    )

    assert [route.description for route in configuration.routes] == ["proofs"]
    assert any("'maths' is ignored here" in warning for warning in configuration.warnings)


def test_llm_providers_are_model_providers(written: Any) -> None:
    """The old name, with a warning."""
    configuration = written("version: v0.1.0\nllm_providers: [{model: openai/gpt-4o}]\n")

    assert [row.path for row in configuration.providers] == [("llm_providers", 0)]
    assert "llm_providers: deprecated: write model_providers" in configuration.warnings[0]


def test_what_does_nothing_is_said_once(written: Any) -> None:
    """Never silently: somebody may count on it."""
    configuration = written(
        "version: v0.4.0\n" + MODELS + "tracing: {random_sampling: 100}\n"
        "prompt_caching: {enabled: true, min_prefix_tokens: 2048}\n"
        "listeners:\n"
        "  - {type: model, name: m, max_retries: 2, input_filters: [f]}\n"
        "  - {type: prompt, name: p}\n"
        "agents: [{id: a, url: 'http://127.0.0.1:1'}]\n"
        "prompt_targets: []\n"
    )

    no_effect, unserved = (warning.rpartition("config.yaml: ")[2] for warning in configuration.warnings)
    assert no_effect == (
        "read and checked, but without effect so far: listeners.max_retries,"
        " prompt_caching.inject_cache_control, prompt_caching.min_prefix_tokens, tracing"
    )
    assert unserved == "not served by this router: listeners[1] (prompt), listeners[0].input_filters, agents"


def test_a_section_whose_entries_are_commented_out_is_not_there(written: Any) -> None:
    """People comment entries out and leave the heading."""
    assert written("version: v0.4.0\n" + MODELS + "model_aliases:\n  # a: {target: b}\n").aliases == {}


def test_an_unknown_override_is_a_warning(written: Any) -> None:
    """The original lets any key pass there."""
    configuration = written("version: v0.4.0\n" + MODELS + "overrides: {llm_routing_modle: x}\n")

    assert configuration.warnings[0].endswith(
        "config.yaml:4:13: overrides.llm_routing_modle:"
        " unknown key 'llm_routing_modle' (did you mean 'llm_routing_model'?)"
    )


def test_a_key_beside_passthrough_is_said_to_be_ignored(written: Any) -> None:
    """Its owner believes that it is used."""
    configuration = written(
        "version: v0.4.0\n"
        "model_providers: [{model: openai/o3, passthrough_auth: true, access_key: sk-canary}]\n"
    )

    assert "access_key: ignored: passthrough_auth sends" in configuration.warnings[0]


def test_a_key_is_read_from_dotenv_and_never_shown(written: Any, tmp_path: Path) -> None:
    """Keys belong beside the file, not into it, and into no log."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-canary\n")

    configuration = written(
        "version: v0.4.0\nmodel_providers: [{model: openai/o3, access_key: $OPENAI_API_KEY}]\n"
    )

    assert configuration.providers[0].access_key == Secret("sk-canary")
    assert "canary" not in repr(configuration)


def test_numbers_and_flags_may_come_from_variables(written: Any) -> None:
    """A variable is always text; a port is not."""
    configuration = written(
        "version: v0.4.0\nmodel_providers: [{model: openai/o3, default: $YES}]\n"
        "listeners: [{type: model, name: m, port: '${PORT:-8080}', timeout: $TIMEOUT}]\n",
        {"YES": "true", "TIMEOUT": "30s"},
    )

    listener = configuration.listener
    assert (configuration.providers[0].is_default, listener.port, listener.timeout_s) == (True, 8080, 30.0)


def test_problems_of_dotenv_have_its_name(written: Any, tmp_path: Path) -> None:
    """It is another file."""
    (tmp_path / ".env").write_text("A=1\nsk-canary\n")

    with pytest.raises(ConfigurationInvalid) as caught:
        written("version: v0.4.0\n" + MODELS)

    assert str(caught.value) == f"{tmp_path}/.env:2:1: expected NAME=value"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "1:1: expected a file that can be read; got: No such file or directory"),
        (b"version: v0.4.0\nmode: \xff\n", "2:7: expected UTF-8; got a byte that is not"),
        (b"#" * (1024 * 1024 + 1), "1:1: expected at most 1048576 bytes; got more"),
    ],
    ids=["missing", "not UTF-8", "too large"],
)
def test_a_file_that_cannot_be_read_is_a_problem_with_a_place(
    content: bytes | None, said: str, tmp_path: Path
) -> None:
    """Whoever prints problems prints these, too."""
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigurationInvalid) as caught:
        load(path, {})

    assert str(caught.value) == f"{path}:{said}"


def test_a_router_prompt_is_found_beside_the_file(written: Any, tmp_path: Path) -> None:
    """Configurations move between machines with what they need; and what stands in it is not touched."""
    template = '{routes} {{"route": {x}}}\r\n{conversation} {} {\n'
    (tmp_path / "prompt.txt").write_bytes(b"\xef\xbb\xbf" + template.encode())

    configuration = written("version: v0.4.0\n" + MODELS + "routing: {router_prompt: prompt.txt}\n")

    assert configuration.router_prompt == template


PROMPTS = [
    pytest.param(
        b"{routes}",
        ["expected a template that holds {conversation} once; it is not in there"],
        id="one missing",
    ),
    pytest.param(
        b"",
        [
            "expected a template that holds {conversation} once; it is not in there",
            "expected a template that holds {routes} once; it is not in there",
        ],
        id="both missing",
    ),
    pytest.param(
        b"{routes}\n{conversation}\n\n{routes}{routes}",
        ["expected a template that holds {routes} once; got it on its lines 1, 4, 4"],
        id="doubled",
    ),
    pytest.param(
        b"{routes}\n{conversation}\n\xff",
        ["expected a template in UTF-8; got a byte on its line 3 that is none"],
        id="not UTF-8",
    ),
    pytest.param(
        b"{ routes } {{conversation}",
        ["expected a template that holds {routes} once; it is not in there"],
        id="spaced",
    ),
]


@pytest.mark.parametrize(("content", "said"), PROMPTS)
def test_a_router_prompt_without_its_places_is_refused(
    content: bytes, said: list[str], written: Any, tmp_path: Path
) -> None:
    """The router model would be asked about nothing, or about the same thing twice."""
    (tmp_path / "prompt.txt").write_bytes(content)

    with pytest.raises(ConfigurationInvalid) as caught:
        written("version: v0.4.0\n" + MODELS + "routing: {router_prompt: prompt.txt}\n")

    problems = [(problem.place, problem.path, problem.message) for problem in caught.value.problems]
    assert problems == [(Place(4, 26), "routing.router_prompt", message) for message in said]


@pytest.mark.parametrize(
    ("key", "path", "said"),
    [
        ("router_prompt", "/dev/zero", "expected a file; got something else"),
        ("router_prompt", "large", "expected a file of at most 1048576 bytes; got a larger one"),
        ("router_prompt", ".", "expected a file; got something else"),
        ("router_prompt", "absent", "expected a file that can be read; there is none"),
        ("router_prompt", '"nul\\0"', "expected a file that can be read; there is none"),
    ],
    ids=["without end", "large", "folder", "absent", "not a path"],
)
def test_a_file_that_is_named_must_be_one(
    key: str, path: str, said: str, written: Any, tmp_path: Path
) -> None:
    """A slip of the finger must not fill the memory of the machine."""
    (tmp_path / "large").write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(ConfigurationInvalid) as caught:
        written(f"version: v0.4.0\n{MODELS}routing: {{{key}: {path}}}\n")

    assert [problem.message for problem in caught.value.problems] == [said]


def test_hosted_endpoints_may_have_a_port(written: Any) -> None:
    """The original writes one into the configurations that it renders."""
    configuration = written(
        "version: v0.4.0\n" + MODELS + "endpoints: {app: {endpoint: 127.0.0.1, port: 18083}}\n"
    )

    assert [warning.rpartition(": ")[2] for warning in configuration.warnings] == ["endpoints"]


def test_every_limit_that_is_written_has_an_effect(written: Any) -> None:
    """Also the one that holds only while another candidate could be tried."""
    configuration = written(
        "version: v0.4.0\n" + MODELS + "listeners:\n"
        "  - {type: model, name: m, limits: {first_byte_with_another_s: 10s, first_byte_s: 60s}}\n"
    )

    assert configuration.warnings == ()


def test_config_yaml_comes_before_plano_config_yaml(tmp_path: Path) -> None:
    """The original's order."""
    found = [find(tmp_path)]
    for name in ("plano_config.yaml", "config.yaml"):
        (tmp_path / name).touch()
        found.append(find(tmp_path))

    assert found == [None, tmp_path / "plano_config.yaml", tmp_path / "config.yaml"]


def test_without_a_file_the_keys_that_are_set_decide() -> None:
    """`plano up` should do something useful at once."""
    configuration = from_environment(
        {"GROQ_API_KEY": "sk-canary", "OPENAI_API_KEY": "", "AZURE_API_KEY": "k"}
    )

    assert [(row.model, row.access_key) for row in configuration.providers] == [
        ("groq/*", Secret("sk-canary"))
    ]
    assert configuration.warnings == (
        "no configuration file: serving all models of groq, whose keys are set",
        "AZURE_API_KEY is set, but azure_openai also needs a base_url: write a configuration file to use it",
    )


def test_without_any_key_models_are_simulated() -> None:
    """It can be tried before anybody is asked for money."""
    configuration = from_environment({})

    assert [(row.model, row.is_default) for row in configuration.providers] == [
        ("simulated/demo", True),
        ("simulated/*", False),
    ]
    assert "simulated models only" in configuration.warnings[0]


def test_the_schema_for_editors_knows_every_section() -> None:
    """An editor completes what the gateway reads."""
    assert set(json_schema()["properties"]) == set(File.model_fields)


INNER_KEYS = (
    "name type port model access_key default base_url target url models description limits timeout"
    " session_cache << selection_policy prefer headers"
)
KEYS = st.sampled_from([*File.model_fields, *INNER_KEYS.split()])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["openai/gpt-4o", "openai/*", "gpt-4o", "v0.4.0", "model", "cost", "redis"]),
    st.sampled_from(["$HOME", "${X:-y}", "30s"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(list(File.model_fields)), VALUES, max_size=6))
def test_whatever_has_the_shape_of_a_file_is_read_or_refused(
    tmp_path_factory: Any, data: dict[str, Any]
) -> None:
    """A traceback would tell nobody what to change."""
    path = tmp_path_factory.getbasetemp() / "shaped.yaml"
    path.write_text(yaml.safe_dump({"version": "v0.4.0"} | data), "utf-8")

    reading = read(path, {"HOME": "/somewhere"})

    assert all(problem.place.line >= 1 for problem in reading.problems)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_bytes_there_are_load_refuses_or_reads(tmp_path_factory: Any, content: bytes) -> None:
    """Half-written files, pictures, other programs' files: all are somebody's first try."""
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_bytes(content)

    refused: tuple[Problem, ...] | None = None
    try:
        load(path, {})
    except ConfigurationInvalid as invalid:
        refused = invalid.problems

    assert refused != ()


def test_authorities_are_read_beside_the_file(tmp_path: Path) -> None:
    """The check looks there, and a service is seldom started in its configuration's folder."""
    (tmp_path / "own.pem").write_text("-----BEGIN CERTIFICATE-----", "utf-8")
    file = tmp_path / "config.yaml"
    file.write_text(
        "version: v0.4.0\n"
        "model_providers: [{model: simulated/a}]\n"
        "overrides: {upstream_tls_ca_path: own.pem}\n",
        "utf-8",
    )

    assert load(file, {}).upstream_ca_path == str(tmp_path / "own.pem")
