"""RTSP without a camera: packets in order, pictures of packets, which count, and their times."""

from __future__ import annotations

import struct

import pytest

from edge_runtime.capture.rtsp.ages import Pace, StreamTime
from edge_runtime.capture.rtsp.description import joined, picture_track
from edge_runtime.capture.rtsp.dialogue import Answer, refusal
from edge_runtime.capture.rtsp.keyframes import KeyFrames
from edge_runtime.capture.rtsp.packets import Order, Packet, parsed, sender_report
from edge_runtime.capture.rtsp.units import Unit, Units
from edge_runtime.errors import SourceUnavailable

MS = 1_000_000
IDR, P, SPS, PPS = b"\x65\x88abc", b"\x41\x9aabc", b"\x67sps", b"\x68pps"
SLICE_2 = b"\x41\x40def"
"""Not a picture's first slice."""


def rtp(seq: int, *, stamp: int = 0, last: bool = False, body: bytes = P, ssrc: int = 1) -> Packet:
    return Packet(96, seq, stamp, last, body, 0, ssrc)


def order_of(packets: list[Packet]) -> list[tuple[int, bool]]:
    return [(packet.seq, packet.has_gap) for packet in packets]


def through(order: Order, *numbers: int) -> list[tuple[int, bool]]:
    return [each for seq in numbers for each in order_of(order.put(rtp(seq)))]


def test_a_packet_is_read_with_its_extension_and_without_its_padding() -> None:
    head = struct.pack(">BBHII", 0xB1, 0xE0, 7, 90_000, 5)  # padding, extension, one more source
    data = head + bytes(4) + b"\xbe\xde\0\1" + bytes(4) + b"body" + b"\0\0\3"
    packet = parsed(data, 11)
    assert packet == Packet(96, 7, 90_000, True, b"body", 11, 5)


@pytest.mark.parametrize("data", [b"", b"\x80" * 11, b"\x40" + bytes(20), b"\x8f" + bytes(20)])
def test_what_is_no_packet_is_none(data: bytes) -> None:
    assert parsed(data, 0) is None


def test_only_a_report_that_tells_the_time_is_one() -> None:
    assert sender_report(struct.pack(">BBHIIII", 0x80, 200, 6, 1, 10, 0, 777)) == 777
    assert sender_report(struct.pack(">BBHIIII", 0x80, 201, 6, 1, 10, 0, 777)) is None
    assert sender_report(struct.pack(">BBHIIII", 0x80, 200, 6, 1, 0, 0, 777)) is None


def test_a_missing_packet_is_seen_at_once_where_nothing_changes_places() -> None:
    order = Order(0)
    assert through(order, 65_534, 65_535, 0, 2, 3) == [
        (65_534, False),
        (65_535, False),
        (0, False),
        (2, True),
        (3, False),
    ]
    assert order.lost == 1


def test_a_late_packet_is_waited_for_and_a_second_copy_is_left_out() -> None:
    order = Order(4)
    assert through(order, 10, 12, 11, 11, 12, 13) == [(n, False) for n in (10, 11, 12, 13)]
    assert order.lost == 0


def test_what_never_comes_is_given_up_when_so_many_wait() -> None:
    order = Order(2)
    assert through(order, 1, 3, 4, 5) == [(1, False), (3, True), (4, False), (5, False)]
    assert order.lost == 1


def test_what_never_comes_is_given_up_in_time_where_few_others_come() -> None:
    order = Order(32)
    order.put(Packet(96, 1, 0, True, P, 5 * MS))
    assert order.due_ns is None
    assert order.put(Packet(96, 3, 0, True, P, 10 * MS)) == []
    assert order.due_ns == 110 * MS
    assert order.late(109 * MS) == []
    assert order_of(order.late(110 * MS)) == [(3, True)]
    assert order.due_ns is None


def test_a_sender_that_begins_anew_leaves_a_gap() -> None:
    order = Order(0)
    order.put(rtp(5))
    assert order_of(order.put(rtp(50_000, ssrc=2))) == [(50_000, True)]
    assert order_of(order.put(rtp(10_000, ssrc=2))) == [(10_000, True)]


def test_where_the_very_first_packet_comes_late_the_beginning_is_missing() -> None:
    order = Order(4)
    assert through(order, 11, 10, 12) == [(11, False), (12, True)]


def put(units: Units, *packets: Packet) -> list[Unit]:
    return [unit for packet in packets for unit in units.put(packet)]


def fragments(nal: bytes, first: int, stamp: int) -> list[Packet]:
    begin = bytes([nal[0] & 0xE0 | 28])
    kind = nal[0] & 31
    return [
        rtp(first, stamp=stamp, body=begin + bytes([0x80 | kind]) + nal[1:3]),
        rtp(first + 1, stamp=stamp, body=begin + bytes([kind]) + nal[3:4]),
        rtp(first + 2, stamp=stamp, body=begin + bytes([0x40 | kind]) + nal[4:], last=True),
    ]


def test_fragments_and_aggregates_become_the_units_that_they_were() -> None:
    sets = b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in (SPS, PPS))
    (unit,) = put(Units("h264"), rtp(0, stamp=9, body=sets), *fragments(IDR, 1, 9))
    assert unit.nals == (SPS, PPS, IDR)
    assert (unit.is_whole, unit.recovery, unit.timestamp) == (True, 0, 9)


def test_h265_fragments_keep_their_header() -> None:
    nal = b"\x26\x01\xafabc"  # an IDR picture
    begin = bytes([0x26 & 0x81 | 49 << 1, 1])
    (unit,) = put(
        Units("hevc"),
        rtp(0, body=begin + b"\x93" + nal[2:4]),
        rtp(1, body=begin + b"\x53" + nal[4:], last=True),
    )
    assert unit.nals == (nal,)
    assert unit.recovery == 0


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_picture_without_one_of_its_packets_is_not_whole(missing: int) -> None:
    packets = [each for number, each in enumerate(fragments(P, 0, 9)) if number != missing]
    order, units = Order(0), Units("h264")
    put(units, *order.put(rtp(65_535, stamp=1, last=True)))
    found = [
        unit
        for packet in [*packets, rtp(3, stamp=20, last=True)]
        for ready in order.put(packet)
        for unit in units.put(ready)
    ]
    assert not found[0].is_whole or found[0].has_gap
    assert any(unit.has_gap for unit in found)


def test_a_picture_whose_first_slice_is_missing_is_not_whole() -> None:
    (unit,) = put(Units("h264"), rtp(1, body=SLICE_2, last=True))
    assert not unit.is_whole


def test_parameter_sets_that_come_alone_are_kept_for_the_next_picture() -> None:
    units = Units("h264")
    assert put(units, rtp(0, body=SPS, last=True), rtp(1, body=PPS, last=True)) == []
    (unit,) = put(units, rtp(2, stamp=9, body=IDR, last=True))
    assert unit.nals == (SPS, PPS, IDR)


def test_a_key_picture_behind_a_gap_counts_only_with_the_parameter_sets_that_others_have() -> None:
    def keys_of(gap: Packet, *more: Packet) -> list[bool]:
        units = Units("h264")
        first = [rtp(0, body=SPS), rtp(1, body=PPS), rtp(2, body=IDR, last=True)]
        return [unit.is_whole for unit in put(units, *first, gap, *more)]

    def late(body: bytes, *, last: bool = False) -> Packet:
        return Packet(96, 9, 9, last, body, 0, 1, has_gap=True)

    key = rtp(10, stamp=9, body=IDR, last=True)
    assert keys_of(late(IDR, last=True)) == [True, False]
    assert keys_of(late(PPS), key) == [True, False]
    assert keys_of(late(SPS), rtp(10, stamp=9, body=PPS), key) == [True, True]


def test_a_gap_before_parameter_sets_that_come_alone_is_not_forgotten() -> None:
    gap = Packet(96, 0, 0, True, SPS, 0, 1, has_gap=True)
    (unit,) = put(Units("h264"), gap, rtp(1, stamp=9, last=True))
    assert unit.has_gap


def test_a_camera_that_marks_no_last_packet_is_read_all_the_same() -> None:
    units = Units("h264")
    found = put(units, rtp(0, stamp=1, body=IDR), rtp(1, stamp=2), rtp(2, stamp=3))
    assert [unit.is_whole for unit in found] == [True, True]


@pytest.mark.parametrize(
    ("message", "recovery"),
    [(b"\x06\x06\x01\x84", 0), (b"\x06\x06\x01\x2c", 4), (b"\x06\x05\x01\x00", None)],
)
def test_a_recovery_point_says_after_how_many_pictures_all_is_right(
    message: bytes, recovery: int | None
) -> None:
    (unit,) = put(Units("h264"), rtp(0, body=message), rtp(1, body=P, last=True))
    assert unit.recovery == recovery


def unit(*, gap: bool = False, whole: bool = True, recovery: int | None = None) -> Unit:
    return Unit((P,), 0, 0, gap, whole, recovery)


def begun() -> KeyFrames:
    frames = KeyFrames()
    assert frames.take(unit(recovery=0)).counts
    frames.shown()
    return frames


def test_before_the_first_key_picture_nothing_counts_and_nobody_is_at_fault() -> None:
    frames = KeyFrames()
    first = [frames.take(each) for each in (unit(), unit(gap=True), unit(whole=False))]
    assert all(not worth.counts and not worth.damage and not worth.decoded for worth in first)
    assert frames.take(unit(recovery=0)).anew


@pytest.mark.parametrize("lost", [unit(gap=True), unit(whole=False), unit(recovery=0, whole=False)])
def test_from_a_loss_to_the_next_key_picture_nothing_counts(lost: Unit) -> None:
    frames = begun()
    assert frames.take(unit()).counts
    behind = [frames.take(each) for each in (lost, unit(), unit())]
    assert all(worth.damage and not worth.counts and not worth.decoded for worth in behind)
    key = frames.take(unit(recovery=0))
    assert (key.counts, key.anew, key.damage) == (True, True, "")
    assert frames.take(unit()).counts


def test_a_whole_key_picture_behind_a_gap_counts() -> None:
    assert begun().take(unit(gap=True, recovery=0)).counts


def test_what_the_decoder_reports_lasts_as_long() -> None:
    frames = begun()
    assert "nothing counts" in frames.breaks("the decoder reports damage")
    assert frames.take(unit()).damage.startswith("the decoder reports damage")
    assert frames.take(unit(recovery=0)).counts


def test_a_camera_without_key_pictures_counts_again_when_all_strips_are_new() -> None:
    frames = begun()
    frames.breaks("lost")
    worth = [frames.take(each) for each in (unit(recovery=3), unit(), unit(), unit(), unit())]
    assert [each.counts for each in worth] == [False, False, False, True, True]
    assert [each.decoded for each in worth] == [True] * 5
    assert [each.anew for each in worth] == [True, False, False, False, False]


def test_a_picture_that_waited_on_its_way_keeps_its_own_time() -> None:
    time = StreamTime(1000)  # a tick is a millisecond
    late = {0: 0, 40: 0, 80: 30, 120: 300, 160: 0}
    at = {tick: time.arrived(tick, (5_000 + tick + by) * MS) for tick, by in late.items()}
    for tick in late:
        assert abs(time.captured_ns(at[tick]) - (5_000 + tick) * MS) < MS
    assert time.interval_ns == 40 * MS
    assert time.stale_ns == 160 * MS


def test_pictures_that_were_in_store_are_known_as_old_once_a_new_one_comes() -> None:
    time = StreamTime(1000)
    at = [time.arrived(tick, 9_000 * MS) for tick in range(0, 1000, 100)]
    time.arrived(1000, 9_050 * MS)
    assert time.captured_ns(at[0]) == 8_050 * MS


def test_the_time_goes_on_where_its_number_begins_anew() -> None:
    time = StreamTime(90_000)
    first = time.arrived(2**32 - 90_000, 0)
    assert time.arrived(0, 10**9) - first == 10**9


def test_a_cameras_report_ties_its_clock_and_nonsense_does_not() -> None:
    time = StreamTime(1000)
    at = time.arrived(1000, 5_000 * MS)
    time.reported(2000, 5_100 * MS)  # it says that this is 1 s later: the picture was 0.9 s old
    assert abs(time.captured_ns(at) - 4_100 * MS) < MS
    time.reported(900_000, 5_200 * MS)
    assert abs(time.captured_ns(at) - 4_100 * MS) < MS


def paced(arrivals_ms: list[float]) -> list[bool]:
    """Of pictures that were taken each 40 ms: whether the stream was steady at each."""
    time, pace, told = StreamTime(1000), Pace(), []
    for number, at_ms in enumerate(arrivals_ms):
        time.arrived(number * 40, int((1_000 + at_ms) * MS))
        pace.came(time)
        told.append(pace.is_steady)
    return told


def test_a_stream_is_steady_once_some_pictures_came_when_their_times_say() -> None:
    assert paced([number * 40 for number in range(8)]) == [False] * 4 + [True] * 4


@pytest.mark.parametrize("each_ms", [0.0, 5.0, 30.0])
def test_a_camera_that_catches_up_is_not_steady_however_slowly_it_does(each_ms: float) -> None:
    in_store = [number * each_ms for number in range(30)]
    begun = in_store[-1]
    told = paced([*in_store, *(begun + 40 * number for number in range(1, 10))])
    assert not any(told[:30])
    assert all(told[-4:])


def test_a_pause_while_the_camera_catches_up_makes_nothing_steady_for_long() -> None:
    told = paced([*[0.0] * 10, *[45.0 * n for n in range(1, 7)], *[270.0 + n for n in range(20)]])
    assert not any(told[18:])


def test_what_nothing_newer_comes_behind_is_new_until_it_is_shown_otherwise() -> None:
    time, pace = StreamTime(1000), Pace()
    time.arrived(0, 0)
    pace.came(time)
    pace.settle()
    assert pace.is_steady
    time.arrived(1000, 200 * MS)
    pace.came(time)
    assert not pace.is_steady


SDP = """v=0
s=cam
a=control:*
m=audio 0 RTP/AVP 8
a=control:track0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z3Nwcw==,aHBwcw==;profile-level-id=42
a=control:track1
"""


def test_the_picture_track_is_found_with_its_parameter_sets() -> None:
    track = picture_track(SDP.replace("\n", "\r\n"), "rtsp://cam/stream/")
    assert (track.codec, track.payload, track.clock_hz) == ("h264", 96, 90_000)
    assert track.control == "rtsp://cam/stream/track1"
    assert track.parameters == (SPS, PPS)


def test_other_kinds_are_named_and_not_read_here() -> None:
    track = picture_track("v=0\nm=video 0 RTP/AVP 26\na=control:rtsp://cam/1\n", "rtsp://cam/")
    assert (track.name, track.codec, track.control) == ("JPEG", "", "rtsp://cam/1")


@pytest.mark.parametrize("line", ["m=", "m=video", "m=video 0 RTP/AVP ²", "m=video 0 RTP/AVP 9999"])
def test_a_line_of_media_that_says_nothing_is_no_picture_track(line: str) -> None:
    with pytest.raises(SourceUnavailable, match="offers no pictures"):
        picture_track(f"v=0\n{line}\n", "rtsp://cam/")
    assert picture_track(f"v=0\n{line}\nm=video 0 RTP/AVP 26\n", "rtsp://cam/").name == "JPEG"


@pytest.mark.parametrize(
    ("base", "control"), [("rtsp://cam/", "rtsp://[bad"), ("rtsp://[bad", "/1")]
)
def test_a_tracks_address_that_can_be_none_is_told(base: str, control: str) -> None:
    with pytest.raises(SourceUnavailable, match="an address that can be none"):
        joined(base, control)


def test_a_stream_of_sound_alone_is_refused() -> None:
    with pytest.raises(SourceUnavailable, match="offers no pictures"):
        picture_track("v=0\nm=audio 0 RTP/AVP 8\n", "rtsp://cam/")


@pytest.mark.parametrize(
    ("control", "address"),
    [
        ("*", "rtsp://cam/a"),
        ("", "rtsp://cam/a"),
        ("track1", "rtsp://cam/a/track1"),
        ("/b?c=1", "rtsp://cam/b?c=1"),
        ("rtsp://other/x", "rtsp://other/x"),
    ],
)
def test_a_tracks_address_goes_by_that_of_the_stream(control: str, address: str) -> None:
    assert joined("rtsp://cam/a", control) == address


def test_a_refusal_says_what_to_do() -> None:
    answer = Answer(401, "Unauthorized", {}, "")
    assert "rtsp://USER:PASSWORD@" in refusal(answer, "DESCRIBE", has_user=False)
    assert refusal(answer, "DESCRIBE", has_user=True).endswith("check the user and the password")
    assert "302 Moved: the stream is somewhere else" in refusal(
        Answer(302, "Moved", {}, ""), "DESCRIBE", has_user=True
    )
