"""Arms that a model behind an endpoint answers: a real server on this machine, its faults included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from curate.cli.main import cli
from curate.errors import CurateError
from curate.sample import Message, ToolCall
from curate_evaluate.answering import endpoint
from curate_evaluate.answering.answerers import Local
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.endpoint import Address, Endpoint
from curate_evaluate.answering.render import model_of
from curate_evaluate.arms import arms_for
from curate_evaluate.evaluation import Evaluation
from curate_evaluate.metrics.structures import tool_call
from tests.evaluate.chat_server import Body, Chat, reply, serving
from tests.evaluate.test_step import CONFIG, lines, rows, scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curate.run import Run

pytest.importorskip("tenacity", reason="tenacity, which lm-eval's API models need, is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

ROOT = Path(__file__).resolve().parents[2]


def echo(body: Body) -> Body:
    return reply(f"You said: {body['messages'][-1]['content']}")


@pytest.fixture
def chat() -> Iterator[Chat]:
    with serving(echo) as found:
        yield found


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    for name in (endpoint.KEY, endpoint.OPENAI_KEY):
        monkeypatch.delenv(name, raising=False)


def asking(chat: Chat, folder: Path, model: str = "big") -> Endpoint:
    return Endpoint(Address.parse(f"{chat.base}#{model}"), Answers(folder / "answers.jsonl"), lambda text: len(text))


def prompts(of: Endpoint, *questions: str) -> list[str]:
    return of.texts([([Message("system", "Be brief."), Message("user", question)], None) for question in questions])


def test_it_is_asked_greedily_and_what_it_says_is_kept_with_its_tokens(chat: Chat, tmp_path: Path) -> None:
    of = asking(chat, tmp_path)
    sent = prompts(of, "Where?", "Ünïcödé 日本?")
    answers = of.answer("big zero-shot", sent, max_new_tokens=40)
    assert [answer.text for answer in answers] == ["You said: Where?", "You said: Ünïcödé 日本?"]
    assert {(a.stopped, a.tokens, a.prompt_tokens) for a in answers} == {("stop", 3, 11)}
    assert [answer.sent_sha256 for answer in answers] == of.sent_sha256(sent)
    assert all(answer.seconds > 0 for answer in answers)
    assert set(chat.paths) == {"/v1/chat/completions"}
    asked = sorted(chat.asked, key=lambda body: len(body["messages"][1]["content"]))[0]
    assert asked == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}],
        "model": "big",
        "max_tokens": 40,
        "temperature": 0,
        "seed": 1234,
    }


def test_what_it_said_once_is_not_asked_again_but_of_another_model_or_limit_it_is(chat: Chat, tmp_path: Path) -> None:
    of = asking(chat, tmp_path)
    sent = prompts(of, "Where?")
    first = of.answer("arm", sent, max_new_tokens=40)
    assert asking(chat, tmp_path).answer("arm", sent, max_new_tokens=40) == first
    assert len(chat.asked) == 1
    of.answer("arm", sent, max_new_tokens=41)
    asking(chat, tmp_path, "bigger").answer("arm", sent, max_new_tokens=40)
    assert len(chat.asked) == 3


def test_it_is_said_once_before_anything_is_sent(
    chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of = asking(chat, tmp_path)
    of.answer("arm", prompts(of, "a?", "b?"), max_new_tokens=40)
    of.answer("arm", prompts(of, "c?"), max_new_tokens=40)
    said = capsys.readouterr().err.splitlines()
    where = f"{chat.base}#big"
    assert said[0] == f"evaluate: sends 2 prompts with texts of your rows to {where}"
    assert sum("sends" in line for line in said) == 1
    assert any(line.startswith("evaluate: arm: 2 of 2") for line in said)
    asking(chat, tmp_path).answer("arm", prompts(of, "a?"), max_new_tokens=40)
    assert capsys.readouterr().err == "", "nothing is sent, so nothing is said"


@pytest.mark.parametrize(
    "fault", [429, 500, 503, "drop", "no json", {"error": {"message": "overloaded"}}, {"choices": []}], ids=str
)
def test_what_passes_is_asked_again(chat: Chat, tmp_path: Path, fault: Any, capsys: pytest.CaptureFixture[str]) -> None:
    chat.faults = [fault, fault]
    of = asking(chat, tmp_path)
    (answer,) = of.answer("arm", prompts(of, "Where?"), max_new_tokens=40)
    assert answer.text == "You said: Where?"
    assert len(chat.asked) == 3
    said = capsys.readouterr().err
    assert f"again in 0 s (2 of {endpoint.TRIES})" in said and f"(3 of {endpoint.TRIES})" in said


@pytest.mark.parametrize(
    ("fault", "asked", "why"),
    [
        (401, 1, "it answered 401"),
        (400, 1, "fewer examples"),
        (404, 1, "/models"),
        (429, endpoint.TRIES, "wait and run this again"),
        ("drop", endpoint.TRIES, "no connection to it"),
        ("no json", endpoint.TRIES, "it sent what is no JSON"),
        ({"oops": 1}, endpoint.TRIES, 'it sent what is no reply: {"oops": 1}'),
        (reply(None, tool_calls=[{"type": "custom"}]), endpoint.TRIES, '"tool_calls": [{"type": "custom"}]'),
        (reply(None, tool_calls=[{"function": None}]), endpoint.TRIES, '"tool_calls": [{"function": null}]'),
        (reply(None, tool_calls=["look_up"]), endpoint.TRIES, '"tool_calls": ["look_up"]'),
    ],
    ids=str,
)
def test_what_does_not_pass_is_an_error_that_says_what_to_do(
    chat: Chat, tmp_path: Path, fault: Any, asked: int, why: str
) -> None:
    of = asking(chat, tmp_path)
    of.answer("arm", prompts(of, "First?"), max_new_tokens=40)
    chat.faults = [fault] * 50
    with pytest.raises(CurateError) as caught:
        of.answer("arm", prompts(of, "First?", "Second?"), max_new_tokens=40)
    said = str(caught.value)
    assert (
        f"{chat.base}#big: " in said
        and why.lower() in said.lower()
        and "every answer that came is kept" in said.lower()
    )
    assert len(chat.asked) == 1 + asked
    assert len(Answers(tmp_path / "answers.jsonl")) == 1


def test_nothing_that_came_is_lost_where_it_refuses_in_the_middle(chat: Chat, tmp_path: Path) -> None:
    chat.faults = [None] * 7 + [401] * 50
    of = asking(chat, tmp_path)
    sent = prompts(of, *(f"Number {k}?" for k in range(20)))
    with pytest.raises(CurateError, match="401"):
        of.answer("arm", sent, max_new_tokens=40)
    kept = len(Answers(tmp_path / "answers.jsonl"))
    assert kept == 7
    assert len(chat.asked) <= 7 + endpoint.AT_ONCE
    before = len(chat.asked)
    chat.faults = []
    answers = asking(chat, tmp_path).answer("arm", sent, max_new_tokens=40)
    assert [answer.text for answer in answers] == [f"You said: Number {k}?" for k in range(20)]
    assert len(chat.asked) - before == 13


KILLED = """
import sys
from pathlib import Path
from curate.sample import Message
from curate_evaluate.answering.answers import Answers
from curate_evaluate.answering.endpoint import Address, Endpoint
of = Endpoint(Address.parse(sys.argv[1]), Answers(Path(sys.argv[2])), len)
of.answer("arm", of.texts([([Message("user", f"Number {k}?")], None) for k in range(40)]), max_new_tokens=40)
"""


def test_a_process_that_is_killed_is_gone_on_with(chat: Chat, tmp_path: Path) -> None:
    chat.pause = 0.05
    file = tmp_path / "answers.jsonl"
    environment = os.environ | {"TQDM_DISABLE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED, f"{chat.base}#big", str(file)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    while len(chat.asked) < 15:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.2)
    kept, asked = len(Answers(file)), len(chat.asked)
    assert 0 < kept < 40 and asked - kept <= endpoint.AT_ONCE + 1
    of = asking(chat, tmp_path)
    answers = of.answer(
        "arm", of.texts([([Message("user", f"Number {k}?")], None) for k in range(40)]), max_new_tokens=40
    )
    assert [answer.text for answer in answers] == [f"You said: Number {k}?" for k in range(40)]
    assert len(chat.asked) - asked == 40 - kept


def test_a_model_that_thinks_gets_room_to_come_to_its_answer(tmp_path: Path) -> None:
    def think(body: Body) -> Body:
        if body["max_tokens"] < 1000:
            return reply(None, "length", reasoning_content="Hm, let me see")
        return reply("<think>The shop is in Norway.</think>\n\nIn Oslo.")

    with serving(think) as chat:
        of = asking(chat, tmp_path)
        answers = of.answer("arm", prompts(of, *(f"Where is {k}?" for k in range(8))), max_new_tokens=40)
        assert {(answer.text, answer.stopped) for answer in answers} == {("In Oslo.", "stop")}
        assert len(chat.asked) < 16, "it is known after the first"


def test_an_answer_that_is_cut_is_one(tmp_path: Path) -> None:
    with serving(lambda body: reply("It is in the", "length")) as chat:
        of = asking(chat, tmp_path)
        (answer,) = of.answer("arm", prompts(of, "Where?"), max_new_tokens=4)
        assert (answer.text, answer.stopped) == ("It is in the", "length") and len(chat.asked) == 1


def test_tokens_that_the_service_does_not_count_are_counted_here(tmp_path: Path) -> None:
    with serving(lambda body: {key: value for key, value in echo(body).items() if key != "usage"}) as chat:
        of = asking(chat, tmp_path)
        (sent,) = prompts(of, "Where?")
        (answer,) = of.answer("arm", [sent], max_new_tokens=40)
        assert (answer.tokens, answer.prompt_tokens) == (len("You said: Where?"), len(sent))


def test_tools_and_calls_go_and_come_in_the_notation_of_the_protocol(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    call = {"id": "x", "type": "function", "function": {"name": "look_up", "arguments": '{"word": "sea"}'}}
    with serving(lambda body: reply(None, "tool_calls", tool_calls=[call])) as chat:
        of = asking(chat, tmp_path)
        turns = [
            Message("user", "Look up the lake."),
            Message("assistant", None, reasoning="A lake.", tool_calls=[ToolCall("look_up", {"word": "lake"})]),
            Message("tool", "water"),
            Message("assistant", "Water."),
            Message("user", "And the sea?"),
        ]
        (answer,) = of.answer("arm", of.texts([(turns, [tool])]), max_new_tokens=40)
        assert tool_call(answer.text, '{"name": "look_up", "arguments": {"word": "sea"}}') == 1.0
        (asked,) = chat.asked
        assert asked["tools"] == [tool]
        _, called, result, *_ = asked["messages"]
        assert called["tool_calls"][0]["id"] == result["tool_call_id"]
        assert called["tool_calls"][0]["function"]["arguments"] == '{"word": "lake"}'
        assert "A lake." not in json.dumps(asked)


@pytest.mark.parametrize(
    ("word", "url", "model"),
    [
        ("http://localhost:8000#m", "http://localhost:8000/v1/chat/completions", "m"),
        ("http://localhost:8000/v1/#a/b", "http://localhost:8000/v1/chat/completions", "a/b"),
        ("https://x.example/api/v3/chat/completions#@cf/m", "https://x.example/api/v3/chat/completions", "@cf/m"),
    ],
)
def test_addresses(word: str, url: str, model: str) -> None:
    address = Address.parse(word)
    assert (address.url, address.model) == (url, model)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "word", ["gpt-4.1", "http://localhost:8000", "localhost:8000#m", "ftp://x#m", "http://#m", "http://[::1#m", ""]
)
def test_what_is_no_address_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(CurateError, match="as URL#MODEL, for instance"):
        Address.parse(word)


@pytest.mark.parametrize("word", ["https://me:secret-1@x.example/v1#m", "https://x.example/v1?api_key=secret-1#m"])
def test_a_secret_in_an_address_is_refused_and_not_repeated(word: str) -> None:
    with pytest.raises(CurateError, match="export CURATE_API_KEY") as caught:
        Address.parse(word)
    assert "secret-1" not in str(caught.value)


def test_the_key_goes_to_its_own_service_alone_and_into_no_file_or_message(
    chat: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(endpoint.OPENAI_KEY, "sk-of-openai")
    of = asking(chat, tmp_path)
    of.answer("arm", prompts(of, "a?"), max_new_tokens=40)
    assert "Authorization" not in chat.headers[-1]
    monkeypatch.setenv(endpoint.KEY, "sk-of-all\n")
    chat.faults = [429, 401]
    with pytest.raises(CurateError) as caught:
        again = asking(chat, tmp_path)
        again.answer("arm", prompts(of, "b?"), max_new_tokens=40)
    assert chat.headers[-1]["Authorization"] == "Bearer sk-of-all"
    assert "Bearer [key]" in str(caught.value)
    monkeypatch.setenv(f"{endpoint.KEY}_127_0_0_1", "sk-of-this")
    own = asking(chat, tmp_path)
    own.answer("arm", prompts(of, "b?"), max_new_tokens=40)
    assert chat.headers[-1]["Authorization"] == "Bearer sk-of-this"
    told = str(caught.value) + capsys.readouterr().err + (tmp_path / "answers.jsonl").read_text()
    assert "sk-" not in told
    assert Address.parse("https://api.openai.com/v1#gpt-4.1").key_name == endpoint.OPENAI_KEY


def test_models_that_know_no_temperature_are_not_told_one() -> None:
    def of(word: str) -> dict[str, Any]:
        return endpoint.settings(Address.parse(word), 9)

    assert of("https://api.openai.com/v1#gpt-5-mini") == {"model": "gpt-5-mini", "max_completion_tokens": 9}
    assert of("https://api.openai.com/v1#gpt-3.5-turbo")["temperature"] == 0
    assert of("http://localhost:8000/v1#gpt-5-at-home")["temperature"] == 0


def test_two_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers.jsonl")
    found = endpoint.endpoints(["http://a/v1#m", "http://b/v1#m", "http://a/v1#n", "http://a/v1#n"], answers, len)
    assert list(found) == ["m at http://a/v1", "m at http://b/v1", "n"]


def evaluate(run: Run, *words: str) -> Any:
    return CliRunner().invoke(cli, ["evaluate", str(run.folder), "--shots", "2", "--batch-size", "16", *words])


def test_the_small_one_tuned_against_the_big_one_prompted(evaluated: Run) -> None:
    """The endpoint knows every answer; those of the adapter are at hand."""
    known = {
        line["prompt"].split("user\n")[-1].split("<|im_end|>")[0]: line["reference"]
        for line in lines(evaluated, "fine-tuned")
    }
    before = len((evaluated / "answers.jsonl").read_bytes().splitlines())
    with serving(lambda body: reply(known[body["messages"][-1]["content"]])) as chat:
        result = evaluate(evaluated, "--bigger", f"{chat.base}#big")
        assert result.exit_code == 0, result.output + result.stderr
        n = len(rows(evaluated))
        assert len(chat.asked) == 2 * n
        found = scores(evaluated)
        assert found["plan"]["arms"][-2:] == ["big zero-shot", "big few-shot"]
        assert found["arms"]["big few-shot"]["title"] == "big few-shot, 2 examples"
        assert found["arms"]["big few-shot"]["answered_by"] == "endpoint big"
        assert found["arms"]["big zero-shot"]["scores"]["exact_match"] == 1.0
        assert found["arms"]["big zero-shot"]["prompt_tokens"] == 11
        assert found["verdict"]["verdict"] == "worse"
        assert found["verdict"]["decisive"] in ("big zero-shot", "big few-shot")
        assert "This adapter is worse than big " in result.stdout
        ours = n * sum(not arm["answered_by"].startswith("endpoint ") for arm in found["arms"].values())
        assert found["prompts"] == {"compared": ours, "equal": ours, "as_messages": 2 * n}
        assert f"{ours:,} prompts sent, each id for id as it was made; {2 * n:,} as messages" in result.stdout
        zero, few = ([body["messages"] for body in chat.asked if len(body["messages"]) == size] for size in (2, 6))
        assert len(zero) == len(few) == n
        assert all("Be brief." in messages[0]["content"] for messages in zero)
        assert all(found["prompt"]["line"] in messages[0]["content"] for messages in [*zero, *few])
        assert len((evaluated / "answers.jsonl").read_bytes().splitlines()) == before + 2 * n
        assert json.loads(lines(evaluated, "big zero-shot")[0]["sent"])["messages"][-1]["role"] == "user"
        record = evaluated.record("evaluate")
        assert record is not None and f"--bigger '{chat.base}#big'" in record["command"]
        again = evaluate(evaluated, "--bigger", f"{chat.base}#big")
        assert "(up to date)" in again.stdout
        assert evaluate(evaluated, "--bigger", f"{chat.base}#big", "--force").exit_code == 0
        assert len(chat.asked) == 2 * n, "every answer is at hand"
    plain = evaluate(evaluated)
    assert plain.exit_code == 0 and not any(name.startswith("big ") for name in scores(evaluated)["arms"])


@pytest.mark.parametrize("name", ["base", "adapter", "unquantised"])
def test_a_served_model_called_as_one_of_our_own_answers_for_itself_alone(evaluated: Run, name: str) -> None:
    training = json.loads((evaluated / "train/train.json").read_bytes())
    base, adapter = Path(training["model"]["name"]), evaluated / "train/adapter"
    config = CONFIG | {"bigger": [f"http://localhost:1/v1#{name}"]}
    with closing(model_of(evaluated)) as model:
        found = Evaluation(evaluated, config, model, base, adapter, training)
    assert not found.models.add_unquantised()
    own = arms_for(shots=2, nearest_shots=2, form=True, passages=0, unquantised=True)
    assert {type(found.answerers[arm.answered_by]) for arm in own} == {Local}
    theirs = endpoint.bigger_arms(found.bigger, shots=2)
    assert [arm.name for arm in theirs] == [f"{name} zero-shot", f"{name} few-shot"]
    assert {type(found.answerers[arm.answered_by]) for arm in theirs} == {Endpoint}


def test_what_it_refuses_ends_the_evaluation_and_changes_nothing(evaluated: Run) -> None:
    before = (evaluated / "evaluate/scores.json").read_bytes()
    with serving(echo) as chat:
        chat.faults = [None] * 3 + [401] * 50
        result = evaluate(evaluated, "--bigger", f"{chat.base}#big")
        assert isinstance(result.exception, CurateError) and "it answered 401" in str(result.exception)
        assert (evaluated / "evaluate/scores.json").read_bytes() == before
        asked = len(chat.asked)
        chat.faults = []
        assert evaluate(evaluated, "--bigger", f"{chat.base}#big").exit_code == 0
        assert len(chat.asked) - asked == 2 * len(rows(evaluated)) - 3
