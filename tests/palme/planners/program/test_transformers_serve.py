"""`transformers serve` answers as an endpoint: a model made here writes one program, and it is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.import_utils import is_serve_available

from palme.language.programs.parser import parse
from palme.planners.program.endpoint import Endpoint, EndpointReader
from palme.planners.program.reader import NotRead
from tests.palme.tiny_lm import tiny_lm

pytestmark = pytest.mark.skipif(
    not is_serve_available(),
    reason="`transformers serve` needs fastapi and openai, which nothing here does: pip install them beside",
)
START_S = 120
TEMPLATE = (
    "{% for m in messages %}<|im_start|> {{ m.role }} {{ m.content }} <|im_end|> {% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant{% endif %}"
)
WRITES = ["assistant", "nothing", "(", ")", "<|im_end|>"]


def says_nothing(folder: Path) -> Path:
    """A model that writes `nothing ( )`, whatever stands before: each token follows from the last alone."""
    tiny_lm(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        ids = [int(tokenizer.convert_tokens_to_ids(word)) for word in WRITES]  # type: ignore[arg-type]
        for before, after in zip(ids[:-1], ids[1:], strict=True):
            at = model.model.embed_tokens.weight[before]
            model.lm_head.weight[after] = 10 * at / at.norm()
    model.generation_config.eos_token_id = ids[-1]
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    folder = says_nothing(tmp_path_factory.mktemp("served"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    code = "from transformers.cli.transformers import main; main()"
    log = tmp_path_factory.mktemp("log") / "serve.log"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", code, *words], env=environment, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            begun = time.monotonic()
            while not _answers(f"{url}/health"):
                assert server.poll() is None and time.monotonic() - begun < START_S, log.read_text()
                time.sleep(0.2)
            yield Endpoint(f"{url}/v1", str(folder))
        finally:
            server.terminate()
            server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def test_its_answer_is_read_as_a_program(endpoint: Endpoint) -> None:
    reading = EndpointReader(endpoint).read("put the red block in the blue bowl")
    assert reading.program == parse("nothing()")


def test_a_model_that_it_does_not_have_is_no_reading(endpoint: Endpoint, tmp_path: Path) -> None:
    other = Endpoint(endpoint.url, str(tmp_path / "nowhere"))
    with pytest.raises(NotRead, match="cannot read"):
        EndpointReader(other).read("put the red block in the blue bowl")
