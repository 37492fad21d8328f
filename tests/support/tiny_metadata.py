"""TFLite Metadata, written field by field as ``metadata_schema.fbs`` numbers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE, BOXES, AUDIO = 2, 3, 4
AXIS_LABELS, VALUE_LABELS = 2, 3
SSD = ("location", "category", "score", "number of detections")


def metadata_buffer(
    *,
    kind: int = IMAGE,
    colour: int = 1,
    mean: Sequence[float] = (),
    deviation: Sequence[float] = (),
    rate_hz: int = 44100,
    channels: int = 1,
    label_file: str = "",
    licence: str = "",
    outputs: Sequence[str] = ("probability",),
    box_order: Sequence[int] = (1, 0, 3, 2),
    calibrated: bool = False,
    mark: bytes = b"M001",
) -> bytes:
    """A buffer that describes one input and its outputs."""
    import flatbuffers  # type: ignore[import-untyped]

    made = _Writer(flatbuffers.Builder(256))
    if kind == AUDIO:
        properties = made.table(2, {0: ("u32", rate_hz), 1: ("u32", channels)})
    else:
        properties = made.table(2, {0: ("i8", colour)})
    content = made.table(3, {0: ("u8", kind), 1: ("at", properties)})
    slots: dict[int, tuple[str, Any]] = {0: ("at", made.text("input")), 3: ("at", content)}
    if mean:
        options = made.table(2, {0: ("at", made.floats(mean)), 1: ("at", made.floats(deviation))})
        unit = made.table(2, {0: ("u8", 1), 1: ("at", options)})
        slots[4] = ("at", made.vector([unit]))
    given = made.table(7, slots)
    described = [
        _output(made, name, at, label_file, outputs, box_order, calibrated=calibrated)
        for at, name in enumerate(outputs)
    ]
    graph = made.table(4, {2: ("at", made.vector([given])), 3: ("at", made.vector(described))})
    model = made.table(
        8,
        {
            0: ("at", made.text("beans")),
            1: ("at", made.text("tells beans apart")),
            2: ("at", made.text("v1")),
            3: ("at", made.vector([graph])),
            4: ("at", made.text("a person")),
            5: ("at", made.text(licence)),
        },
    )
    made.builder.Finish(model, mark)
    return bytes(made.builder.Output())


def _output(
    made: _Writer,
    name: str,
    at: int,
    label_file: str,
    outputs: Sequence[str],
    box_order: Sequence[int],
    *,
    calibrated: bool,
) -> int:
    slots: dict[int, tuple[str, Any]] = {0: ("at", made.text(name))}
    is_detector = len(outputs) > 1
    if label_file and (name == "category" or not is_detector):
        kind = VALUE_LABELS if is_detector else AXIS_LABELS
        file = made.table(4, {0: ("at", made.text(label_file)), 2: ("i8", kind)})
        slots[6] = ("at", made.vector([file]))
    if is_detector and at == 0:
        order = made.ints(box_order)
        boxes = made.table(3, {0: ("at", order), 1: ("i8", 1)})
        slots[3] = ("at", made.table(3, {0: ("u8", BOXES), 1: ("at", boxes)}))
    if calibrated:
        options = made.table(2, {})
        slots[4] = ("at", made.vector([made.table(2, {0: ("u8", 2), 1: ("at", options)})]))
    return made.table(7, slots)


class _Writer:
    """Tables whose slots are given by number."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def text(self, text: str) -> int:
        return int(self.builder.CreateString(text))

    def table(self, size: int, slots: dict[int, tuple[str, Any]]) -> int:
        builder = self.builder
        builder.StartObject(size)
        for index, (kind, value) in slots.items():
            if kind == "at":
                builder.PrependUOffsetTRelativeSlot(index, value, 0)
            elif kind == "u8":
                builder.PrependUint8Slot(index, value, 0)
            elif kind == "i8":
                builder.PrependInt8Slot(index, value, 0)
            else:
                builder.PrependUint32Slot(index, value, 0)
        return int(builder.EndObject())

    def vector(self, tables: Sequence[int]) -> int:
        self.builder.StartVector(4, len(tables), 4)
        for at in reversed(tables):
            self.builder.PrependUOffsetTRelative(at)
        return int(self.builder.EndVector())

    def floats(self, values: Sequence[float]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependFloat32(value)
        return int(self.builder.EndVector())

    def ints(self, values: Sequence[int]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependUint32(value)
        return int(self.builder.EndVector())
