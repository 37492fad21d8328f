"""What may be wrong with a lane: its source, its process, its judgement, its triggers."""

from __future__ import annotations

from edge_runtime.codes.explanation import FAULT, NOTE, WARNING, define

_HELD = (
    "Its outputs are held in the safe state and the heartbeat register stands still, until the "
    "lane judges again. The other lanes go on."
)

SOURCE_AWAY = define(
    "EDGE-L101",
    "the source is away",
    FAULT,
    cause="The camera or microphone is unplugged, off, or not reached over the network; or what "
    "it sends cannot be read.",
    confirm="`edge-runtime devices` lists what is there; `edge-runtime doctor` tries to reach "
    "the lane's source; the reason stands beside the lane in `edge-runtime status`.",
    cure="See to its power, cable, address and password. It is tried again at most every 4 s, "
    "for ever: nothing needs to be restarted.",
    line=_HELD,
)
SOURCE_FROZEN = define(
    "EDGE-L102",
    "the camera repeats one picture",
    FAULT,
    cause="The camera, its encoder or a server between sends the same picture again and again, "
    "longer than `capture.stale_s`.",
    confirm="Move something before the camera and look at its own page or stream; "
    "`edge-runtime status` tells the age of the last new picture.",
    cure="Switch the camera off and on. Where the picture is meant to stand still and has no "
    "noise at all (a drawn picture), set `stale_s = 0` in the lane's [capture].",
    line=_HELD,
)
SOURCE_DEAD = define(
    "EDGE-L103",
    "the microphone gives nothing but digital zero",
    FAULT,
    cause="A muted channel, a broken cable, the wrong `channel`, or a sound server that gives "
    "silence in place of the device, longer than `capture.dead_s`.",
    confirm="`edge-runtime status` shows the level: a microphone in a quiet room gives -90 dBFS "
    "or more, a dead one -120. `arecord -D DEVICE -d 3 t.wav` hears it without us.",
    cure="Unmute it, see to the cable and to `channel`. Where digital silence is right (a gated "
    "line), set `dead_s = 0` in the lane's [capture].",
    line=_HELD,
)
LANE_STALLED = define(
    "EDGE-L104",
    "the lane hung and was ended",
    FAULT,
    cause="One of its loops did not turn for `[supervisor].stall_s` beyond what it had asked for: "
    "a driver or a model's library does not come back.",
    confirm="`child_stuck` in the journal names the loop; the stacks of all threads stand below.",
    cure="It is started again by itself. When it comes again: another driver or camera mode, "
    "another `runtime` for the model, or a larger `stall_s` where a call is rightly that long.",
    line=_HELD,
)
LANE_CRASHED = define(
    "EDGE-L105",
    "the lane's process died and waits to be started again",
    FAULT,
    cause="Native code (a camera's driver, a decoder, a model's library) ended the process, the "
    "kernel took it for want of memory, or somebody killed it.",
    confirm="`child_crashed` in the journal tells the signal; `dmesg` tells of want of memory; "
    "`edge-runtime results list` has the tombstone `lane_crash` with what was lost.",
    cure="Nothing: it is started again after 0.2 s to 30 s and goes on where it was. Report it "
    "with the journal when it comes again.",
    line="Held safe from outside within one heartbeat (`[supervisor].dead_man_s`); pulses that "
    "were asked for are carried out. Let go when the lane judges again. The other lanes go on.",
)
LANE_CRASH_LOOP = define(
    "EDGE-L106",
    "the lane's process dies again and again",
    FAULT,
    cause="Three times within a minute: its driver, its model's library or its memory does not "
    "allow it to run. One item that does it is left out (EDGE-L107).",
    confirm="`journalctl -u edge-runtime | grep child_crashed`: the same signal each time? "
    "`edge-runtime models verify MODEL` tries the model alone.",
    cure="Go back to what ran: `edge-runtime models back`, the config before, the package before. "
    "It is tried again every 30 s at the latest.",
    line=_HELD,
)
ITEM_BURIED = define(
    "EDGE-L107",
    "an item ended the lane again and again and is left out",
    FAULT,
    cause="The lane's process died `[supervisor].bury_after` times with this picture, file or "
    "segment in hand.",
    confirm="The tombstone `bad_item` in `edge-runtime results list` names the item; "
    "`edge-runtime infer MODEL FILE` shows whether it happens there too.",
    cure="Look at the item: it was not judged. Then `edge-runtime status --acknowledge`. Report "
    "the file: no picture may end a process.",
    line="The part was not judged: held safe while the lane was away, and the lane goes on behind "
    "the item.",
)
LANE_REFUSED = define(
    "EDGE-L108",
    "the lane cannot run as it is configured",
    FAULT,
    cause="Its model is of the wrong kind or its rules name what the model does not know; its "
    "recording is not there; a package that it needs is missing.",
    confirm="The reason stands beside the lane in `edge-runtime status`; `edge-runtime config "
    "check` and `edge-runtime doctor` say the same and more.",
    cure="Correct what it says, then `edge-runtime reload`; by itself it is tried once a minute.",
    line=_HELD,
)
LANE_CANNOT_START = define(
    "EDGE-L109",
    "the lane's process cannot be started at all",
    FAULT,
    cause="The interpreter cannot be executed by the daemon's user, there is no memory or no "
    "process left, or the data folder cannot hold the lane's page.",
    confirm="The reason stands beside the lane; `systemctl show edge-runtime -p User,TasksMax`.",
    cure="Correct rights, limits or room. It is tried again with back-off.",
    line=_HELD,
)
LANE_UNREADABLE = define(
    "EDGE-L110",
    "part after part cannot be judged",
    FAULT,
    cause="`rules.no_read_limit` parts one after another were `no_read`: pictures that cannot be "
    "decoded, a region of interest outside the picture (a camera that came back in another "
    "resolution), a model that fails, deadlines that are missed.",
    confirm="`edge-runtime results list --lane LANE` has the reason of each.",
    cure="Correct what the reasons say: size and region, model, `part.deadline_ms`.",
    line="Each part was acted upon as `no_read`; now the safe state is held, until "
    "`rules.good_parts` parts were judged one after another.",
)
LANE_NOT_DECIDING = define(
    "EDGE-L111",
    "the lane does not decide",
    FAULT,
    cause="Its process is there and its loop that decides does not turn, or nothing was heard "
    "from it for longer than a heartbeat: stopped, starved of the processor, or hung in a model.",
    confirm="`edge-runtime status` shows how old its last word is; `top`; `cat "
    "/proc/PID/status | grep State` (T is stopped).",
    cure="Nothing at first: after `[supervisor].stall_s` it is ended and started again. Then see "
    "to what takes the processor.",
    line="Held safe by the field process within one heartbeat (`[supervisor].dead_man_s`), "
    "without the lane. The other lanes go on.",
)
TRIGGERS_MISSED = define(
    "EDGE-L112",
    "triggers without a picture, or too close together",
    WARNING,
    cause="No picture was exposed near enough to the trigger (`part.match_ms`), the camera is too "
    "slow for the line, or a second trigger came while the first waited for its picture. Or no "
    "lane took it: it was being started, or hung.",
    confirm="`edge-runtime status --json` counts missed and double triggers; the parts are "
    "`no_read` in `edge-runtime results list`, those that no lane took a `capture_gap`.",
    cure="A faster camera mode, the right `trigger.delay_ms`, a larger `match_ms`; "
    "`debounce_ms` for a sensor that bounces.",
    line="A part without a picture is `no_read` and acts once, like a reject.",
)
LANE_STARTING = define(
    "EDGE-L113",
    "the lane is loading its models",
    FAULT,
    cause="It was started a moment ago. A model's first use on this box takes longest: it is "
    "tried in a process of its own.",
    confirm="It is over within `[supervisor].start_timeout_s`, or another code tells why not.",
    cure="Wait. Not proven yet is not well: that is why `status` exits 1.",
    line="Its outputs are safe until it serves.",
)
ITEMS_DROPPED = define(
    "EDGE-L114",
    "pictures or sound were left out: the lane is behind",
    WARNING,
    cause="The source gives more than the model can take: the newest picture wins, the others are "
    "dropped, counted, and told by one tombstone `capture_gap` a burst. For a camera without a "
    "trigger this may be as it should.",
    confirm="Compare rate, infer time and dropped in `edge-runtime status`; `edge-runtime models "
    "bench MODEL`.",
    cure="A lower `capture.fps` or a `gate.interval_s`, a trigger, more `workers`, a smaller or "
    "quantised model. `edge-runtime status --acknowledge` when it is as it should be.",
    line="What was left out was not judged and drives no output.",
)
LANE_STOPPED_BY_OUTPUT = define(
    "EDGE-L115",
    "the lane takes no parts: an output is away",
    FAULT,
    cause='One of its outputs does not acknowledge and has `on_unacknowledged = "stop the lane"`.',
    confirm="`edge-runtime status`: the output's row says since when and why.",
    cure="Bring the far side back (EDGE-O201, EDGE-O202); the lane goes on by itself.",
    line="Nothing is judged; its outputs are held safe as far as they can be reached.",
)
RESTART_GAP = define(
    "EDGE-L116",
    "the lane did not look while it was started anew",
    NOTE,
    cause="A reload, a change of model or `models back` concerned this lane.",
    confirm="The tombstone `restart_gap` has first, last and count.",
    cure="Nothing. `edge-runtime config diff` says beforehand which lanes restart.",
    line="Held safe while it was away. The other lanes went on.",
)
TARGET_MISSED = define(
    "EDGE-L117",
    "the lane misses a number of [targets]",
    WARNING,
    cause="The measured latency is above `latency_p99_ms`, or the model's time does not allow for "
    "`parts_per_minute`.",
    confirm="`edge-runtime status` shows both beside each other; `edge-runtime bench` measures "
    "this box.",
    cure="More `workers`, a smaller or quantised model, another `runtime`, a smaller region of "
    "interest; or correct the target.",
    line="Verdicts act as ever, later than the line was planned for: see that `delay_ms` of the "
    "output still covers it.",
)
SOURCE_MOVED = define(
    "EDGE-L131",
    "another microphone answers than before",
    WARNING,
    cause="The lane's source is one that the sound server chooses (`microphone:default`, "
    "`microphone:pulse`), and it chose another one: the microphone was plugged in elsewhere, is "
    "away, or somebody changed the server's default. It is looked at when the lane starts and "
    "while it runs.",
    confirm="`edge-runtime status` shows which device answers; `pactl list source-outputs` and "
    "`pactl get-default-source` say the same.",
    cure="Name the microphone itself in `source`, as `edge-runtime devices` lists it, or set the "
    "server's default back (`pactl set-default-source`). `edge-runtime status --acknowledge` when "
    "the new one is right.",
    line="The lane hears, and judges what that microphone gives it.",
)
CAMERA_DIFFERS = define(
    "EDGE-L132",
    "the camera gives something other than what was asked",
    WARNING,
    cause="The camera has no such size, rate, pixel format or control, or not all at once (a USB "
    "camera gives raw pictures slowly), or it took a value and does not use it. Or the times that "
    "it sends with its pictures (RTSP) do not go with the clock.",
    confirm="`v4l2-ctl -d DEVICE --list-formats-ext` lists what it has, `v4l2-ctl -d DEVICE -L` "
    "its controls; the difference stands in `edge-runtime status` and `edge-runtime doctor`.",
    cure="Write into [lanes.X.capture] what the camera has (`format`, `width`, `height`, `fps`, "
    "`controls`), or leave it out. Of times: set the rate that the camera really gives (many give "
    "fewer pictures in the dark), or renew its firmware; they are corrected or not used meanwhile.",
    line="The lane sees, and judges what the camera gives.",
)
DAMAGE_UNHEARD = define(
    "EDGE-L133",
    "damage within compressed video would not be heard",
    NOTE,
    cause="The decoder that every station has (OpenCV's) does not say when it had to guess a part "
    "of a picture. Packets that get lost on the way from an RTSP camera are seen all the same, "
    "but for cameras that FFmpeg itself has to read.",
    confirm="`edge-runtime doctor` says whether the extra is there.",
    cure="Install the extra: `pip install edge-runtime[video]`, where its licence (GPL parts) "
    "suits you; or set the camera to H.264.",
    line="Pictures are judged; one that the decoder guessed may be among them.",
)
LANE_AWAITS_PART = define(
    "EDGE-L134",
    "the lane waits for a part that it can judge",
    WARNING,
    cause="What kept the lane from judging is over. Whether it sees parts as it should, only parts "
    "can show: the safe state is let go of after `rules.good_parts` of them.",
    confirm="`edge-runtime status` says what is over; the outputs that are held are EDGE-O203.",
    cure="Let a part pass the camera. With a trigger that does not come, see to the trigger.",
    line="Held safe until then.",
)
FILES_LEFT_OUT = define(
    "EDGE-L135",
    "files of the folder are left out",
    NOTE,
    cause="The folder holds names that do not end as a picture's that is read, or sub-folders.",
    confirm="`edge-runtime status` says how many of which kind; docs/inputs.md lists what is read.",
    cure="Save pictures in a kind that is read, set `capture.subfolders = true` for what is below "
    "the folder, or move what is no picture elsewhere; else nothing needs to be done.",
    line="Pictures are judged; nothing is told of what is left out but its number.",
)
