"""What may be wrong with an output, and with the field process that drives it."""

from __future__ import annotations

from edge_runtime.codes.explanation import FAULT, WARNING, define

_RUNGS = (
    "We cannot reach it, so the line has to see for itself: a PLC that watches the heartbeat "
    "register closes the gate."
)

OUTPUT_AWAY = define(
    "EDGE-O201",
    "the far side of an output is away",
    FAULT,
    cause="The PLC, gateway or service is off, the network is cut, the address is wrong, or it "
    "takes no further connection.",
    confirm="`edge-runtime doctor` does one exchange (on a PLC it reads, never writes); while the "
    "daemon runs it tells what the daemon last knew.",
    cure="See to power, cable, host and port. The connection is tried for ever.",
    line=_RUNGS + " On reconnection the output is safe first. `on_unacknowledged` says what the "
    "lane does: go on, hold its other outputs safe, or take no more parts.",
)
OUTPUT_UNACKNOWLEDGED = define(
    "EDGE-O202",
    "the far side does not acknowledge",
    FAULT,
    cause="It takes the connection and does not answer within `ack_timeout_ms`: an overloaded or "
    "hung PLC, a wrong `unit` behind a gateway, a firewall that swallows.",
    confirm="`edge-runtime status` counts what is unacknowledged since the last acknowledgement; "
    "`edge-runtime doctor` with the daemon stopped reads the coil.",
    cure="Bring it back, correct `unit`, or allow more `ack_timeout_ms`. Whether a part was acted "
    "upon is not known: look at the parts since the last acknowledgement.",
    line=_RUNGS + " `on_unacknowledged` says what the lane does: go on, hold its other outputs "
    "safe, or take no more parts.",
)
OUTPUT_HELD = define(
    "EDGE-O203",
    "an output is held in its safe state",
    FAULT,
    cause="A lane that uses it cannot judge (source away, dead, hung, refused, part after part "
    '`no_read`), is still starting, or the ledger is full with `when_full = "stop"`.',
    confirm="The output's row in `edge-runtime status` names each lane that holds it, and why.",
    cure="Cure that lane. The output is let go of by itself once every lane that uses it judges. "
    "To let parts pass meanwhile on your own account: `edge-runtime output bypass`.",
    line="The safe coil is on and the heartbeat register stands still: nothing passes the gate.",
)
OUTPUT_BYPASSED = define(
    "EDGE-O204",
    "an output is bypassed",
    FAULT,
    cause="Somebody let go of it: `edge-runtime output bypass NAME --for TIME --why TEXT`.",
    confirm="The output's row tells until when and why; so do the ledger and, where configured, "
    "`bypass_register`.",
    cure="It ends by itself at that time.",
    line="NO PART IS REJECTED by this output, whatever the verdict.",
)
FIELD_AWAY = define(
    "EDGE-O205",
    "the field process is away or hangs",
    FAULT,
    cause="It died or was stopped. It alone talks to the outputs' far sides.",
    confirm="`edge-runtime status` shows its state; `child_crashed name=field` in the journal.",
    cure="Nothing: a new one is there within 2 s. Report it when it comes again.",
    line="Its successor begins with every output safe. Until then the heartbeat register stands "
    "still: a PLC that watches it closes the gate.",
)
OUTPUT_REFUSED = define(
    "EDGE-O206",
    "the far side refuses a write",
    FAULT,
    cause="The PLC answers with an exception: it has no such coil or register, or the `unit` is "
    "wrong, or writes are locked.",
    confirm="The output's detail has the PLC's answer; `edge-runtime doctor` with the daemon "
    "stopped reads the same addresses.",
    cure="Correct `coil`, `safe_coil`, `heartbeat_register` or `unit`, or allow it in the PLC.",
    line="The action did not happen. " + _RUNGS,
)
PULSES_MERGED = define(
    "EDGE-O207",
    "pulses ran into each other and were made one",
    WARNING,
    cause="Two parts asked for pulses that overlap: they follow each other faster than `pulse_ms`.",
    confirm="The output's row counts merged pulses.",
    cure="A shorter `pulse_ms`, or more room between parts. `edge-runtime status --acknowledge` "
    "when one long pulse does for both.",
    line="The coil stays on from the first part's pulse to the end of the last one's: both parts "
    "are acted upon, and so is what lies between.",
)
