"""TensorBoard's files hold a run a trial: knobs, curves, figures and the picture."""

from pathlib import Path

from logged_trials import Said, log_cut_off, log_to_end, logged_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from diffusion.recipe import Recipe


def read(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def test_a_trial_of_two_sessions_is_one_run(tmp_path: Path, digit_recipe: Recipe) -> None:
    run, said = logged_run(tmp_path / "digits", "tensorboard"), Said()
    log_cut_off(run, digit_recipe, said)
    log_to_end(run, digit_recipe, said)
    assert said.lines == []
    runs = EventMultiplexer().AddRunsFromDirectory(str(run.folder / "tensorboard"))
    runs.Reload()
    assert sorted(runs.Runs()) == ["trial-000", "trial-001"]
    first = read(run.folder / "tensorboard/trial-000")
    curve = [(event.step, event.value) for event in first.Scalars("training/fid")]
    assert curve == [(32, 80.0), (64, 40.0)]
    assert [event.step for event in first.Scalars("training/images_per_second")] == [32]
    assert first.Scalars("fid")[0].value == 12.5
    assert first.Scalars("fid_num_images")[0].value == 500
    (image,) = first.Images("samples")
    assert (image.width, image.height) == (8, 8)


def test_knobs_are_hyperparameters_by_readable_names(tmp_path: Path, digit_recipe: Recipe) -> None:
    run = logged_run(tmp_path / "digits", "tensorboard")
    log_to_end(run, digit_recipe, Said())
    first = read(run.folder / "tensorboard/trial-000")
    content = first.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    assert found["network.widths"].string_value == "8-16"
    assert found["training.train_images"].number_value == 64
    assert found["compression.finetune_teacher"].bool_value is False
    failed = read(run.folder / "tensorboard/trial-001")
    (text,) = failed.Tensors("end/text_summary")
    assert text.tensor_proto.string_val[0] == b"state: failed\n\nreason: boom <b>"
    assert failed.Tags()["images"] == []
