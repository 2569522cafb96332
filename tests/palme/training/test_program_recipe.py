"""A language model learns to write programs: only its adapter learns, is saved, and is shipped."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from palme.language.programs.prompt import SentenceTooLong, prompt_ids
from palme.models.pretrained.load import pretrained, with_adapter, with_new_adapter
from palme.training.devices import SettingError
from palme.training.models.low_rank import LowRank
from palme.training.recipes.programs import ProgramsRecipe, ProgramsTraining
from palme.training.trainer import Trainer
from palme.weight_files import WeightsError, WeightsMissing
from tests.palme.tiny_lm import tiny_lm


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lm(tmp_path_factory.mktemp("tiny"))


def _settings(base: Path, out: Path, **more: object) -> ProgramsTraining:
    settings = {"base": str(base), "out": str(out), "minutes": 0.0, "steps": 12, "tokens": 512, "rank": 4,
                "lr": 0.02, "warmup": 2, "threads": 1, "evaluate_n": 20, "evaluate_every_s": 0.0}  # fmt: skip
    return ProgramsTraining(**{**settings, **more})  # type: ignore[arg-type]


def test_it_learns_and_the_adapter_alone_is_kept(base: Path, tmp_path: Path) -> None:
    trainer = Trainer(_settings(base, tmp_path / "run"))
    before = trainer.recipe.evaluate(final=False)["unseen/loss"]
    frozen = {n: p.clone() for n, p in trainer.recipe.net.named_parameters() if not p.requires_grad}
    figures = trainer.fit()
    assert figures["unseen/loss"] < before - 0.1  # an adapter of a random model learns little
    assert all(torch.equal(p, frozen[n]) for n, p in trainer.recipe.net.named_parameters() if n in frozen)
    saved = load_file(tmp_path / "run" / "checkpoint.safetensors")
    assert all("lora_" in name for name in saved if name.startswith(("net.", "optimiser")))
    assert sum(name.startswith("net.") for name in saved) == 2 * 2 * 7  # A and B, two layers, seven matrices


def test_a_run_goes_on_where_it_stopped(base: Path, tmp_path: Path) -> None:
    Trainer(_settings(base, tmp_path / "run", max_steps=5)).fit()
    resumed = Trainer(_settings(base, tmp_path / "run"))
    assert resumed.step == 5
    resumed.fit()
    assert resumed.step == 12


def test_the_shipped_adapter_gives_the_trained_model(base: Path, tmp_path: Path) -> None:
    trainer = Trainer(_settings(base, tmp_path / "run"))
    trainer.fit()
    recipe = trainer.recipe
    assert isinstance(recipe, ProgramsRecipe)
    model, tokenizer = pretrained(base)
    ids = torch.tensor([prompt_ids(tokenizer, "put the red block in the blue bowl")])
    plain = model(ids).logits.clone()
    shipped = with_adapter(model, trainer.shipped)(ids).logits
    with torch.no_grad():
        learned = recipe.net.lm(ids).logits
    torch.testing.assert_close(shipped.float(), learned.float(), atol=0.15, rtol=0.1)
    assert (shipped - plain).abs().max() > 0.2
    assert sum(path.stat().st_size for path in trainer.shipped.glob("*.safetensors")) < 2e5


def test_a_base_that_is_not_there_says_how_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALME_CACHE", str(tmp_path))
    with pytest.raises(Exception, match="palme setup language"):
        Trainer(_settings(Path("qwen2.5-coder-0.5b"), tmp_path / "run"))


def test_a_folder_without_an_adapter_is_named(base: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="palme train programs"):
        with_adapter(pretrained(base)[0], tmp_path)


@pytest.mark.parametrize("damage", ["cut", "lost", "foreign", "settings", "rank"])
def test_a_damaged_adapter_is_refused(base: Path, tmp_path: Path, damage: str) -> None:
    """Weights cut short, a half lost, of another model, without settings, of another rank."""
    model = pretrained(base)[0]
    with_new_adapter(model, 4).save_pretrained(str(tmp_path))
    file, settings = tmp_path / "adapter_model.safetensors", tmp_path / "adapter_config.json"
    weights = load_file(file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif damage == "lost":
        save_file(dict(sorted(weights.items())[1:]), file)
    elif damage == "foreign":
        save_file({f"x.{name}": value for name, value in weights.items()}, file)
    elif damage == "settings":
        settings.write_text("{}", encoding="utf-8")
    else:
        settings.write_text(
            settings.read_text(encoding="utf-8").replace('"r": 4', '"r": 8'), encoding="utf-8"
        )
    with pytest.raises(WeightsError, match="palme train programs"):
        with_adapter(pretrained(base)[0], tmp_path)


def test_a_sentence_that_is_too_long_is_refused(base: Path) -> None:
    _, tokenizer = pretrained(base)
    with pytest.raises(SentenceTooLong, match="fewer words"):
        prompt_ids(tokenizer, "put " * 200)


def test_training_goes_on_from_a_shipped_adapter(base: Path, tmp_path: Path) -> None:
    first = Trainer(_settings(base, tmp_path / "first"))
    first.fit()
    second = Trainer(_settings(base, tmp_path / "second", start=str(first.shipped)))
    new = Trainer(_settings(base, tmp_path / "third"))
    losses = [one.recipe.evaluate(final=False)["unseen/loss"] for one in (first, second, new)]
    assert losses[1] == pytest.approx(losses[0], abs=0.05) and losses[2] > losses[1] + 0.1


@pytest.mark.parametrize("layers", [1, 2, 9])
def test_the_last_layers_alone_have_an_adapter(base: Path, layers: int) -> None:
    adapted = with_new_adapter(pretrained(base)[0], 4, layers)
    matrices = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
    assert len(matrices) == 7 * min(layers, 2) and all("layers.1." in name for name in matrices[-7:])


@pytest.mark.parametrize("layers", [0, -1])
def test_an_adapter_in_no_layer_is_refused_and_not_one_in_all(
    base: Path, tmp_path: Path, layers: int
) -> None:
    with pytest.raises(ValueError, match=f"layers={layers}"):
        with_new_adapter(pretrained(base)[0], 4, layers)
    for name in ("layers", "rank"):
        with pytest.raises(SettingError, match=f"^{name}={layers}: must be at least 1$"):
            _settings(base, tmp_path, **{name: layers})


def test_its_way_back_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(3, 5, 8), torch.randn(6, 8), torch.randn(6)
    a, b = torch.randn(2, 8), torch.randn(6, 2)
    learned = [part.clone().requires_grad_() for part in (x, a, b)]
    plain = [part.clone().requires_grad_() for part in (x, a, b)]
    ours = LowRank.apply(learned[0], weight, bias, learned[1], learned[2], 2.0)
    theirs = plain[0] @ weight.t() + bias + 2.0 * plain[0] @ plain[1].t() @ plain[2].t()
    torch.testing.assert_close(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for one, other in zip(learned, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_what_is_shipped_names_no_folder_of_the_machine(base: Path, tmp_path: Path) -> None:
    trainer = Trainer(_settings(base, tmp_path / "run", steps=1))
    trainer.fit()
    kept = sorted(path.name for path in trainer.shipped.iterdir())
    assert kept == ["adapter_config.json", "adapter_model.safetensors"]
    assert str(base.parent) not in (trainer.shipped / "adapter_config.json").read_text()
