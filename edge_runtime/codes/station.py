"""What may be wrong with models, the config, and the daemon itself."""

from __future__ import annotations

from edge_runtime.codes.explanation import FAULT, NOTE, WARNING, define

MODEL_REFUSED = define(
    "EDGE-M501",
    "a model is refused",
    FAULT,
    cause="Its bundle is not there, damaged, not the one that was pinned, of the wrong kind for "
    "the lane, or does not answer its golden samples.",
    confirm="`edge-runtime models verify MODEL` says which; `edge-runtime doctor` loads each "
    "model of the config.",
    cure="Install the bundle again, or go back: `edge-runtime models back`.",
    line="The lane is refused: its outputs are held safe. The other lanes go on.",
)
MODEL_NEWER = define(
    "EDGE-M502",
    "a higher version of a pinned model is there",
    NOTE,
    cause="It was copied or added while the lane serves another: a lane keeps its version.",
    confirm="`edge-runtime status` tells both; `edge-runtime models list`.",
    cure="`edge-runtime models use NAME/VERSION` when it is wanted; else nothing.",
    line="Not touched.",
)
MODEL_USED = define(
    "EDGE-M503",
    "a lane was given another model",
    NOTE,
    cause="`edge-runtime models use` or `models back`, or a reload.",
    confirm="The ledger keeps the history; `edge-runtime status` tells what serves.",
    cure="Nothing; `edge-runtime models back` goes back.",
    line="Its outputs were safe until the new model served. The other lanes went on.",
)

CONFIG_REFUSED = define(
    "EDGE-C601",
    "a changed config is refused; the last good one runs",
    FAULT,
    cause="The file was changed and a reload asked for, and it has errors.",
    confirm="`edge-runtime config check` has one line for each problem.",
    cure="Correct it and `edge-runtime reload`. Until then a restart of the daemon would fail!",
    line="Not touched: everything goes on by the last good config.",
)
CONFIG_RELOADED = define(
    "EDGE-C602",
    "the config was read anew",
    NOTE,
    cause="`edge-runtime reload`, `systemctl reload edge-runtime` or SIGHUP.",
    confirm="The journal tells what changed and which lanes restarted.",
    cure="Nothing.",
    line="Only what the change concerns was started anew, safe meanwhile.",
)
CONFIG_NEEDS_RESTART = define(
    "EDGE-C603",
    "a change of the config waits for a restart",
    WARNING,
    cause="Who the box is, where its data are and how the ledger works (`device.id`, `data_dir`, "
    "[ledger]) cannot be changed while it runs.",
    confirm="`edge-runtime config diff` names them.",
    cure="`systemctl restart edge-runtime` when the line may stand still for it.",
    line="Goes on by the old values.",
)
CONFIG_WRONG = define(
    "EDGE-C604",
    "the config has errors",
    FAULT,
    cause="A key that does not exist, a value out of its range, a name that nothing has.",
    confirm="`edge-runtime config check` has one line for each problem, with the file.",
    cure="Correct each; `edge-runtime config schema` describes every key.",
    line="Not touched by a daemon that runs. A daemon does not start with it (exit 78).",
)

DAEMON_AWAY = define(
    "EDGE-R701",
    "no daemon is running",
    FAULT,
    cause="It was stopped, never started, exited with an error, or runs on another data folder.",
    confirm="`systemctl status edge-runtime`; `journalctl -u edge-runtime -n 50`.",
    cure="`systemctl start edge-runtime`; see its exit code in docs/operations.md.",
    line="Nothing is judged. Outputs were left as `on_stop` says, safe by default; the heartbeat "
    "register stands still.",
)
DAEMON_SILENT = define(
    "EDGE-R702",
    "the daemon does not answer",
    FAULT,
    cause="It is stopped (SIGSTOP, a debugger), starved of the processor, or hangs.",
    confirm="`edge-runtime status` waits 5 s and exits 1; `systemctl status edge-runtime`.",
    cure="systemd's watchdog restarts it within 30 s; without systemd: `kill -CONT` or restart it.",
    line="Lanes and outputs go on by themselves while their own processes turn; nothing is stored "
    "until it answers.",
)
