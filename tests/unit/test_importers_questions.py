"""What is asked of a person, and what a finished draft becomes."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.importers import heads, shapes
from edge_runtime.importers.card import model_card
from edge_runtime.importers.draft import Draft, Fact
from edge_runtime.importers.head_facts import with_head
from edge_runtime.importers.questions import (
    finished,
    numbers,
    open_questions,
    parsed,
    refusal,
    shown,
)
from edge_runtime.importers.toml_text import toml_text
from edge_runtime.inference.engines.tensors import Tensor

FLOAT = np.dtype(np.float32)


def tensor(
    *shape: int | None, dtype: Any = np.float32, q: tuple[float, int] | None = None
) -> Tensor:
    return Tensor("t", shape, np.dtype(dtype), q)


def plain(given: Tensor, *made: Tensor, **facts: Any) -> Draft:
    draft = Draft(kind="plain ONNX", files={"model.onnx": b"bytes"}, inputs=(given,), outputs=made)
    return shapes.with_shapes(draft).with_facts("test", name="m", version="1.0.0", **facts)


def answered(draft: Draft, answers: dict[str, Any]) -> Draft:
    return draft.with_answers({key: Fact(value, "said") for key, value in answers.items()})


PICTURE = tensor(1, 3, 32, 32)
SCORES = tensor(1, 2)


def test_a_plain_model_is_asked_for_what_its_tensors_do_not_say() -> None:
    draft = plain(PICTURE, SCORES)
    assert [q.key for q in open_questions(draft)] == ["task"]
    draft = answered(draft, {"task": "image-classification"})
    assert [q.key for q in open_questions(draft)] == [
        "labels",
        "image.colour",
        "image.resize",
        "image.mean",
        "image.scale",
        "output.activation",
    ]


def test_a_grey_quantised_model_is_asked_for_less() -> None:
    given = tensor(1, 32, 32, 1, dtype=np.int8, q=(1 / 255, -128))
    draft = answered(plain(given, SCORES), {"task": "image-classification"})
    keys = [q.key for q in open_questions(draft)]
    assert keys == ["labels", "image.resize", "output.activation"]


def test_an_open_size_is_asked_for() -> None:
    draft = answered(plain(tensor(1, 3, None, None), SCORES), {"task": "image-classification"})
    keys = [q.key for q in open_questions(draft)]
    assert keys[1:3] == ["image.width", "image.height"]


def test_a_detector_is_asked_for_its_decoder_and_the_likely_one_is_told() -> None:
    draft = answered(plain(PICTURE, tensor(1, 6, 50)), {"task": "detection", "labels": ["a", "b"]})
    (question,) = (q for q in open_questions(draft) if q.key == "output.decoder")
    assert question.suggestion == "yolov8"
    assert "ssd" in question.choices


@pytest.mark.parametrize(
    ("outputs", "labels", "decoder"),
    [
        ([(1, 84, 8400)], 80, "yolov8"),
        ([(1, 25200, 85)], 80, "yolov5"),
        ([(1, 300, 6)], 80, "end-to-end"),
        ([(1, 6, 8400)], 2, "yolov8"),
        ([(1, 8400, 6)], 1, None),
        ([(1, 10, 4), (1, 10), (1, 10), (1,)], 80, "ssd"),
        ([(1, 80)], 80, None),
    ],
)
def test_decoders_that_shapes_suggest(
    outputs: list[tuple[int, ...]], labels: int, decoder: str | None
) -> None:
    assert heads.box_decoder([tensor(*shape) for shape in outputs], labels) == decoder


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        (tensor(1, 3, 32, 48), "NCHW"),
        (tensor(1, 32, 48, 3), "NHWC"),
        (tensor(None, 1, 32, 48), "NCHW"),
        (tensor(1, 3, 32, 3), None),
        (tensor(1, 1960), None),
        (tensor(1, 3, 40), None),
        (tensor(1, 30, 1, 40), None),
    ],
)
def test_layouts_that_shapes_say(given: Tensor, layout: str | None) -> None:
    assert shapes.picture_facts(given).get("layout") == layout


@pytest.mark.parametrize(
    ("q", "dtype", "values"),
    [
        ((1 / 255, -128), np.int8, ([0.0], [1 / 255])),
        ((1 / 255, 0), np.uint8, ([0.0], [1 / 255])),
        ((2 / 255, 128), np.uint8, ([127.5], [1 / 127.5])),
        ((1.0, 0), np.uint8, ([0.0], [1.0])),
        ((0.0186, -14), np.int8, None),
    ],
)
def test_ranges_that_quantisation_says(
    q: tuple[float, int], dtype: Any, values: tuple[list[float], list[float]] | None
) -> None:
    found = shapes.range_facts(tensor(1, 8, 8, 3, dtype=dtype, q=q))
    assert (found.get("mean"), found.get("scale")) == (values or (None, None))


def test_a_refusal_names_every_flag_at_once_and_follows_the_likely_task() -> None:
    draft = plain(PICTURE, SCORES).suggesting(task="image-classification")
    told = refusal(draft, open_questions(draft))
    assert "\n" not in told
    for flag in ("--task", "--labels", "--colour", "--resize", "--mean", "--scale", "--activation"):
        assert flag in told


def test_what_was_said_overrides_the_file() -> None:
    draft = answered(plain(PICTURE, SCORES, image={"colour": "RGB"}), {"image.colour": "BGR"})
    assert draft.facts["image.colour"] == Fact("BGR", "said")


def test_the_first_reader_that_finds_something_stays() -> None:
    draft = plain(PICTURE, SCORES, image={"colour": "RGB"}).with_facts(
        "later", image={"colour": "BGR"}
    )
    assert draft.facts["image.colour"] == Fact("RGB", "test")


ANSWERS = {
    "task": "image-classification",
    "labels": ["ok", "not ok"],
    "image.colour": "RGB",
    "image.resize": "stretch",
    "image.mean": [127.5],
    "image.scale": [1 / 127.5],
    "output.activation": "softmax",
}


def test_a_finished_draft_is_a_manifest_with_hashes() -> None:
    _, table = finished(answered(plain(PICTURE, SCORES), ANSWERS))
    read = tomllib.loads(toml_text(table))
    assert read["image"]["scale"] == [1 / 127.5]
    assert read["labels"] == ["ok", "not ok"]
    assert set(read["sha256"]) == {"model.onnx", "labels.txt"}


def test_an_unfinished_draft_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--colour"):
        finished(answered(plain(PICTURE, SCORES), {"task": "image-classification"}))


def test_a_manifest_that_contradicts_itself_names_every_problem() -> None:
    draft = answered(
        plain(PICTURE, SCORES),
        {**ANSWERS, "image.mean": [1.0, 2.0], "reject.scratch": 0.5, "image.pad_value": 999},
    )
    with pytest.raises(ModelError) as caught:
        finished(draft)
    told = str(caught.value)
    assert "image.mean: 2 numbers" in told
    assert "reject.scratch: is not in labels" in told
    assert "image.pad_value: found 999" in told


def test_a_sound_models_shape_does_not_make_it_a_picture() -> None:
    given = tensor(1, 49, 10, 1)
    draft = answered(
        plain(given, SCORES),
        {
            "task": "audio-classification",
            "labels": ["yes", "no"],
            "audio.front_end": "mfcc",
            "output.activation": "none",
        },
    )
    _, table = finished(draft)
    assert "image" not in table
    assert table["audio"] == {"front_end": "mfcc"}


def test_rows_of_numbers_take_their_size_from_the_input() -> None:
    draft = answered(plain(tensor(1, 640), tensor(1, 640)), {"task": "anomaly"})
    assert open_questions(draft) == []
    _, table = finished(
        answered(draft, {"output.decoder": "reconstruction"}),
    )
    assert table["numbers"] == {"columns": 640, "rows": 1}
    assert table["labels"] == ["anomalous"]


def test_a_grid_with_a_plane_more_than_labels_has_its_background_first() -> None:
    draft = answered(
        plain(tensor(1, 96, 96, 3), tensor(1, 12, 12, 3), output={"decoder": "semantic"}),
        {**ANSWERS, "task": "segmentation", "labels": ["bolt", "nut"]},
    )
    _, table = finished(draft)
    assert table["labels"] == ["background", "bolt", "nut"]
    assert table["ignore"] == ["background"]


@pytest.mark.parametrize(
    ("text", "values"),
    [("1/255", [1 / 255]), ("0.5,1/2,2", [0.5, 0.5, 2.0]), ("127.5", [127.5])],
)
def test_numbers_as_people_write_them(text: str, values: list[float]) -> None:
    assert numbers(text, "--scale") == values


@pytest.mark.parametrize("text", ["", "a", "1/0", "1,,2"])
def test_what_is_no_number_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--scale"):
        numbers(text, "--scale")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1 / 255, "1/255"), (1 / 127.5, "1/127.5"), (0.0, "0"), ([0.5, 1.0], "0.5,1"), ("RGB", "RGB")],
)
def test_a_suggestion_is_shown_as_a_flag_takes_it(value: Any, text: str) -> None:
    assert shown(value) == text


def test_answers_become_the_manifests_values() -> None:
    draft = answered(plain(tensor(1, 3, None, None), SCORES), {"task": "image-classification"})
    questions = {question.key: question for question in open_questions(draft)}
    assert parsed(questions["labels"], "a, b") == ["a", "b"]
    assert parsed(questions["image.width"], "64") == 64
    assert parsed(questions["image.scale"], "1/255") == [1 / 255]
    with pytest.raises(UsageError, match="possible: RGB, BGR, GRAY"):
        parsed(questions["image.colour"], "rgb")


def test_toml_text_keeps_awkward_texts() -> None:
    table = {"labels": ['a"b', "c\\d", "e\nf", "g\x7fh", "ü"], "reject": {"a.b c": 0.5, "ok": 1}}
    assert tomllib.loads(toml_text(table)) == table


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, object()])
def test_what_toml_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="TOML cannot hold"):
        toml_text({"x": value})


def test_the_card_says_where_each_line_comes_from() -> None:
    draft = answered(plain(PICTURE, SCORES), ANSWERS).with_note("Mind the gap.")
    draft, table = finished(draft)
    card = model_card(draft, table, "model.onnx", "2026-01-31")
    assert "| `image.mean` | 127.5 | said |" in card
    assert "| `image.layout` | NCHW | the input's shape |" in card
    assert "Mind the gap." in card
    assert "Licence: not known" in card


def detector(decoder: str, labels: list[str], *outputs: Tensor, **trial: np.ndarray) -> Draft:
    draft = Draft(
        kind="plain ONNX",
        files={"model.onnx": b""},
        inputs=(PICTURE,),
        outputs=outputs,
        trial=trial,
    )
    return draft.with_facts("test", labels=labels, output={"decoder": decoder})


def _rows(count: int, columns: int, top: float) -> np.ndarray:
    made = np.random.default_rng(1).random((1, count, columns)).astype(np.float32)
    made[..., :4] *= top
    return made


@pytest.mark.parametrize(
    ("top", "unit"), [(1.0, "fractions"), (640.0, None), (0.001, None), (3.0, None)]
)
def test_the_unit_of_boxes_is_seen_on_a_run(top: float, unit: str | None) -> None:
    head = Tensor("o", (1, 50, 7), FLOAT)
    draft = with_head(detector("yolov5", ["a", "b"], head, o=_rows(50, 7, top)))
    assert draft.value("output.coordinates") == unit


def test_a_few_boxes_far_over_the_border_make_no_pixels_of_fractions() -> None:
    boxes = np.zeros((1, 100, 4), np.float32)
    boxes[0, :, :2] = np.linspace(0, 0.8, 100)[:, None]
    boxes[0, :, 2:] = boxes[0, :, :2] + 0.1
    boxes[0, :3, 2:] = 40.0
    outputs = Tensor("scores", (1, 100, 3), FLOAT), Tensor("boxes", (1, 100, 4), FLOAT)
    scores = np.zeros((1, 100, 3), np.float32)
    draft = with_head(detector("scores-boxes", ["a", "b"], *outputs, scores=scores, boxes=boxes))
    assert draft.value("output.coordinates") is None  # its own: fractions
    assert draft.value("output.first_class") == 1
    assert draft.value("output.tensors") == ["scores", "boxes"]
    assert draft.value("output.box_form") is None
    in_pixels = with_head(
        detector("scores-boxes", ["a", "b"], *outputs, scores=scores, boxes=boxes * 640)
    )
    assert in_pixels.value("output.coordinates") == "pixels"


def test_what_a_person_said_of_a_head_stays() -> None:
    head = Tensor("o", (1, 50, 7), FLOAT)
    said = {"output.coordinates": Fact("pixels", "--set"), "output.activation": Fact("none", "--")}
    draft = detector("yolov5", ["a", "b"], head, o=_rows(50, 7, 1.0) * 9).with_answers(said)
    finished_draft = with_head(draft)
    assert finished_draft.value("output.coordinates") == "pixels"
    assert finished_draft.value("output.activation") == "none"
