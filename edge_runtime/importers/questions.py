"""What a draft still lacks, and the manifest of one that lacks nothing.  Pure."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from edge_runtime.errors import ModelError, UsageError
from edge_runtime.importers import heads, labels, shapes
from edge_runtime.importers.draft import Fact, Question, nested
from edge_runtime.importers.head_facts import with_head
from edge_runtime.manifest import DECODERS, FORMAT, AudioInput, Decoder, ImageInput, Manifest, Task
from edge_runtime.manifest.checks import INPUTS, cross_checks
from edge_runtime.toml.table import convert_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge_runtime.importers.draft import Draft
    from edge_runtime.manifest import InputKind

LABELS_FILE = "labels.txt"
BACKGROUND = "background"
_FLAGS = {
    "task": "--task TASK",
    "labels": "--labels A,B or --labels-file FILE",
    "image.colour": "--colour COLOUR",
    "image.mean": "--mean NUMBERS",
    "image.scale": "--scale NUMBERS",
    "image.resize": "--resize HOW",
    "image.width": "--size WIDTHxHEIGHT",
    "image.height": "--size WIDTHxHEIGHT",
    "image.layout": "--layout LAYOUT",
    "output.activation": "--activation FUNCTION",
    "output.decoder": "--decoder DECODER",
    "audio.front_end": "--front-end NAME",
}
_TEXTS = {
    "task": "What does the model do?",
    "labels": "Its labels, in the order of the output, separated by commas",
    "image.colour": "Order of the colour channels",
    "image.mean": "tensor = (pixel - mean) * scale, pixel 0..255; mean, one or one a channel",
    "image.scale": "scale, a number or a fraction such as 1/255, one or one a channel",
    "image.resize": "How a picture is brought to the model's size",
    "image.width": "Width of the input in pixels",
    "image.height": "Height of the input in pixels",
    "image.layout": "Order of the input's axes",
    "output.activation": "What makes probabilities of the output",
    "output.decoder": "How the outputs are read",
    "audio.front_end": "What the model is fed with",
}
_NUMBERS = ("image.mean", "image.scale")
_SOUND_TASKS = ("audio-classification", "wake-word", "speech-detection")
_SCORED = ("image-classification", "tile-classification", *_SOUND_TASKS)
_FIRST = ("name", "version", "task", "description", "labels")
_ONE_LABEL = {"anomaly": ["anomalous"], "embedding": ["embedding"], "speech-detection": ["speech"]}


def open_questions(draft: Draft) -> list[Question]:
    """What is missing now; an answer may raise more questions."""
    if not draft.knows("task"):
        return [_question(draft, "task", get_args(Task))]
    task = draft.value("task")
    if task not in get_args(Task):
        raise UsageError(f"--task: '{task}'; possible: {', '.join(get_args(Task))}")
    missing = [] if draft.knows("labels") or task in _ONE_LABEL else [_question(draft, "labels")]
    kind = input_kind(draft)
    if task == "detection":
        draft = draft.suggesting(image=heads.likely_pictures(draft))
    if kind == "image":
        missing += _picture_questions(draft)
    elif kind == "audio" and not draft.knows("audio.front_end"):
        missing.append(_question(draft, "audio.front_end", _choices(AudioInput, "front_end")))
    if task in _SCORED and not draft.knows("output.activation"):
        activations = _choices(Decoder, "activation")
        missing.append(_question(draft, "output.activation", activations))
    if task in ("detection", "segmentation") and not draft.knows("output.decoder"):
        missing.append(_decoder_question(draft, task))
    return missing


def input_kind(draft: Draft) -> InputKind:
    """What the model works on: what is known of its input and possible for its task."""
    possible = INPUTS[draft.value("task")]
    if "audio" in possible and draft.knows("audio"):
        return "audio"
    if "image" in possible and (draft.knows("image") or "numbers" not in possible):
        return "image"
    return possible[-1]


def finished(draft: Draft) -> tuple[Draft, dict[str, Any]]:
    """The draft with all that follows from what is known, and its ``model.toml``, checked.

    Raises `UsageError` naming the flags of all that is missing, `ModelError` with every problem of
    what is there.
    """
    missing = open_questions(draft)
    if missing:
        raise UsageError(refusal(draft, missing))
    draft = _completed(draft)
    told = nested({key: fact.value for key, fact in draft.facts.items()})
    table: dict[str, Any] = {"format": FORMAT, "file": draft.file}
    table |= {key: told[key] for key in _FIRST if key in told}
    table |= dict(sorted(told.items()))
    table["sha256"] = {name: hashlib.sha256(data).hexdigest() for name, data in draft.files.items()}
    listed = labels_text(table["labels"]).encode()
    table["sha256"][LABELS_FILE] = hashlib.sha256(listed).hexdigest()
    checked, problems = convert_all(table, Manifest)
    if checked is not None:
        problems = [*problems, *cross_checks(checked)]
    if problems or checked is None:
        raise ModelError("\n".join(f"models add: model.toml: {line}" for line in problems))
    return draft, table


def labels_text(names: Iterable[str]) -> str:
    """``labels.txt``."""
    return "".join(f"{name}\n" for name in names)


def refusal(draft: Draft, missing: Sequence[Question]) -> str:
    """One line: every flag that is needed, with what is likely."""
    missing = list(missing)
    if missing[0].key == "task" and missing[0].suggestion is not None:
        likely_task = {"task": Fact(missing[0].suggestion, "likely")}
        missing += open_questions(draft.with_answers(likely_task))
    told = []
    for question in missing:
        likely = "" if question.suggestion is None else f" (likely: {shown(question.suggestion)})"
        choices = f" [{', '.join(question.choices)}]" if question.choices else ""
        if question.key == "output.decoder" and not likely:
            shapes_of = ", ".join(map(str, draft.outputs))
            likely = f" (shapes tell no decoder of the outputs {shapes_of})"
        told.append(f"{question.flag}{choices}{likely}")
    return f"models add: {draft.kind}: the file does not say all; give {'; '.join(told)}"


def shown(value: Any) -> str:  # noqa: ANN401 - a TOML value
    """A value as a flag takes it."""
    if isinstance(value, (list, tuple)):
        return ",".join(shown(item) for item in value)
    if isinstance(value, float):
        return f"1/{round(1 / value, 6):g}" if 0 < value < 0.2 else f"{value:g}"
    return str(value)


def parsed(question: Question, text: str) -> Any:  # noqa: ANN401 - a TOML value
    """An answer as text into the manifest's value.  Raises `UsageError`."""
    if question.kind == "labels":
        return labels.listed(text)
    if question.kind == "numbers":
        return numbers(text, question.flag)
    if question.kind == "number":
        return int(numbers(text, question.flag)[0])
    if question.choices and text not in question.choices:
        raise UsageError(f"{question.flag}: '{text}'; possible: {', '.join(question.choices)}")
    return text


def numbers(text: str, flag: str) -> list[float]:
    """``0.5,1/255`` as numbers.  Raises `UsageError`."""
    found = []
    for word in text.split(","):
        top, slash, bottom = word.partition("/")
        try:
            found.append(float(top) / float(bottom) if slash else float(top))
        except (ValueError, ZeroDivisionError) as exc:
            raise UsageError(
                f"{flag}: '{text}'; write numbers or fractions with commas between, such as "
                "127.5 or 1/255,1/255,1/255"
            ) from exc
    return found


def _picture_questions(draft: Draft) -> list[Question]:
    missing = [
        _question(draft, f"image.{key}")
        for key in ("width", "height")
        if not draft.knows(f"image.{key}")
    ]
    missing += [
        _question(draft, f"image.{key}", _choices(ImageInput, key))
        for key in ("layout", "colour", "resize")
        if not draft.knows(f"image.{key}")
    ]
    missing += [_question(draft, key) for key in _NUMBERS if not draft.knows(key)]
    return missing


def _decoder_question(draft: Draft, task: str) -> Question:
    count = len(draft.value("labels") or ()) or None
    likely = None
    if task == "detection":
        likely = heads.box_decoder(draft.outputs, count, draft.size, draft.trial)
    return _question(draft.suggesting(output={"decoder": likely}), "output.decoder", DECODERS[task])


def _question(draft: Draft, key: str, choices: Iterable[str] = ()) -> Question:
    kind: Any = "choice" if choices else "text"
    if key == "labels":
        kind = "labels"
    elif key in _NUMBERS:
        kind = "numbers"
    elif key in ("image.width", "image.height"):
        kind = "number"
    choices = tuple(choices)
    likely = draft.suggestions.get(key, _likely(key))
    if choices and likely not in choices:
        likely = None
    return Question(key, _TEXTS[key], _FLAGS[key], kind, choices, likely)


def _likely(key: str) -> Any:  # noqa: ANN401 - a TOML value
    return {
        "image.colour": "RGB",
        "image.resize": "stretch",
        "image.mean": [0.0],
        "image.scale": [1 / 255],
        "image.layout": "NHWC",
    }.get(key)


def _choices(table: type[msgspec.Struct], key: str) -> tuple[str, ...]:
    (field,) = (field for field in msgspec.structs.fields(table) if field.name == key)
    kind = field.type
    while not all(isinstance(choice, str) for choice in get_args(kind)):
        kind = get_args(kind)[0]
    return tuple(get_args(kind))


def _completed(draft: Draft) -> Draft:
    """What follows from the task and the labels."""
    task = draft.value("task")
    if task in _ONE_LABEL:
        draft = draft.with_facts("the task's only label", labels=_ONE_LABEL[task])
    kind = input_kind(draft)
    if kind == "numbers":
        draft = draft.with_facts("the input's shape", numbers=shapes.numbers_facts(draft.inputs[0]))
    others = tuple(f"{other}." for other in ("image", "audio", "numbers") if other != kind)
    kept = {key: fact for key, fact in draft.facts.items() if not key.startswith(others)}
    draft = dataclasses.replace(draft, facts=kept)
    if draft.value("output.decoder") == "semantic":
        draft = _with_background(draft)
    return with_head(draft)


def _with_background(draft: Draft) -> Draft:
    """A grid with one channel more than there are labels has the background first."""
    names: list[str] = draft.value("labels")
    sizes = draft.outputs[0].shape if draft.outputs else ()
    if BACKGROUND not in names and len(names) + 1 in (sizes[1:2] + sizes[3:4]):
        origin = draft.facts["labels"].origin
        told = Fact([BACKGROUND, *names], f"{origin}; the output has one plane more")
        draft = draft.with_answers({"labels": told})
    if BACKGROUND in draft.value("labels"):
        draft = draft.with_facts("the background is no finding", ignore=[BACKGROUND])
    return draft
