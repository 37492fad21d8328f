"""What may be wrong with the ledger, its disk, and the way to the collector."""

from __future__ import annotations

from edge_runtime.codes.explanation import FAULT, WARNING, define

_NOT_TOUCHED = "Not touched: verdicts act before anything is stored."

LEDGER_FULL = define(
    "EDGE-D301",
    "there is no room for results",
    FAULT,
    cause="The disk is full, and all that may go (media, results that the collector has) is gone.",
    confirm="`df` of the data folder; `edge-runtime status` tells ledger `full`.",
    cure="Make room, or bring the collector back so that results may leave. It goes on by itself.",
    line='With `when_full = "decide"` live lanes judge and act on and count what could not be '
    'stored; files and folders wait. With `"stop"` live lanes take no parts, held safe.',
)
LEDGER_FAILED = define(
    "EDGE-D302",
    "the ledger has failed",
    FAULT,
    cause="The disk gave an input or output error, or the database is damaged.",
    confirm="`ledger_failed` in the journal; `dmesg` for the disk.",
    cure="The daemon exits 74 and is started again; a damaged ledger is then recovered "
    "(EDGE-D303). Change a disk that goes on like this.",
    line="The field process makes every output safe while the daemon is away.",
)
LEDGER_RECOVERED = define(
    "EDGE-D303",
    "a damaged ledger was recovered",
    WARNING,
    cause="The database was not sound at start, mostly after a power cut on storage that does not "
    "honour flush; or it, or rows of it, were gone: deleted, or an old copy put back.",
    confirm="`ledger_recovered` in the journal; the old file is in `quarantine/` of the data "
    "folder; the tombstone `recovered_damage` tells how many rows are missing.",
    cure="See to the storage (`edge-runtime doctor`, fsync). Keep the old file for whoever wants "
    "to look. Where rows are lost for good it is a fault until `edge-runtime status "
    "--acknowledge`.",
    line="It began later by the time that the recovery took, safe until then.",
)
PARTS_UNSTORED = define(
    "EDGE-D304",
    "parts were judged that could not be stored",
    FAULT,
    cause="The ledger was full while a live lane judged on.",
    confirm="The lane's `unstored` in `edge-runtime status`. The count survives a crash of lane "
    "and daemon.",
    cure="Make room: one tombstone `store_full` then accounts for them, and this is over.",
    line="They were judged and acted upon as ever; what is missing is their record.",
)
ENTRY_REFUSED = define(
    "EDGE-D305",
    "the ledger could not take an entry",
    FAULT,
    cause="One row is beyond what a ledger takes (its size, a number that is none): a defect of "
    "ours or of a model's bundle.",
    confirm="`ledger_refused` in the journal has the reason; a tombstone `bad_item` stands in its "
    "place.",
    cure="Report it with that line. `edge-runtime status --acknowledge` afterwards.",
    line="The part was judged and acted upon. Everything else is stored as ever.",
)
DISK_DAYS = define(
    "EDGE-D306",
    "the disk will be full before the days offline are over",
    WARNING,
    cause="At the rate of this run, results fill the disk sooner than `[targets].days_offline` "
    "allows for (without that target: within a day). A fault while the collector is away.",
    confirm="`edge-runtime status`: days left, free room, days offline so far.",
    cure="Bring the collector back, make room, keep less evidence (`media.keep`), or correct the "
    "target.",
    line=_NOT_TOUCHED,
)
MEDIA_LOST = define(
    "EDGE-D307",
    "evidence could not be written",
    FAULT,
    cause="No room or an error on the disk while a picture or sound was stored.",
    confirm="The lane's `media_lost` in `edge-runtime status --json`; the journal has the reason.",
    cure="Make room or see to the disk; then `edge-runtime status --acknowledge`. The results "
    "themselves are kept.",
    line=_NOT_TOUCHED,
)
WAL_LARGE = define(
    "EDGE-D308",
    "the ledger's log is not moved into it",
    WARNING,
    cause="Some program reads `ledger.db` for minutes and keeps SQLite from moving its "
    "write-ahead log.",
    confirm="The finding names who reads where the system lets us see; else `ls -l ledger.db-wal` "
    "in the data folder and `fuser ledger.db`.",
    cure="End that reader; copy the file by `sqlite3 ledger.db .backup` instead.",
    line=_NOT_TOUCHED,
)
DISK_LOW = define(
    "EDGE-D309",
    "there is little room on the disk",
    WARNING,
    cause="The data folder's disk is nearly full, by us or by others.",
    confirm="`df` of the data folder; `du -sh` of its `media/`.",
    cure="Make room, or lower `[ledger].media_budget_mib`: media are evicted first.",
    line=_NOT_TOUCHED,
)

SYNC_OFFLINE = define(
    "EDGE-S401",
    "the collector is not reached",
    WARNING,
    cause="No network, the collector is off or ails. For a station that is offline most of the "
    "time this is the usual state.",
    confirm="The reason and the age of the backlog stand in `edge-runtime status`.",
    cure="Nothing: results wait on the disk and are sent when it is back. See to it before the "
    "disk's days run out (EDGE-D306).",
    line=_NOT_TOUCHED,
)
SYNC_AUTH_FAILED = define(
    "EDGE-S402",
    "the token of sync is refused or cannot be used",
    FAULT,
    cause="The token of [sync] is wrong, expired or of another collector; or its file is not "
    "there, has several lines, or characters that are not seen.",
    confirm="`edge-runtime sync status` has the collector's answer (401 or 403), or what is wrong "
    "with the token's file.",
    cure="Put the right token into the file of `[sync].token`: one line, nothing else. It is taken "
    "within seconds; a token that the collector's side corrects, within a minute.",
    line=_NOT_TOUCHED,
)
SYNC_QUARANTINE = define(
    "EDGE-S403",
    "results are kept here and not sent",
    FAULT,
    cause="The collector said that it will never take them (a newer format than it knows, or a "
    "conflict with what it has), or nobody can read them (`unreadable`).",
    confirm="`edge-runtime sync quarantine` lists them with the reason; a tombstone `unreadable` "
    "tells of ours.",
    cure="Update the collector: they are sent again by themselves once a newer one answers, or by "
    "`edge-runtime sync retry`. They are kept on this box. To take note: `edge-runtime status "
    "--acknowledge`.",
    line=_NOT_TOUCHED,
)
SYNC_CRASHED = define(
    "EDGE-S404",
    "the sync process dies or cannot run",
    FAULT,
    cause="A defect of ours, a missing package, or no memory.",
    confirm="`child_crashed name=sync` in the journal.",
    cure="It is started again with back-off; report it with the journal.",
    line=_NOT_TOUCHED,
)
SYNC_UNSTEADY = define(
    "EDGE-S405",
    "the collector takes back what it acknowledged",
    FAULT,
    cause="Two collectors without a common store answer at one address, or one loses what it "
    "stores at each of its starts.",
    confirm="`edge-runtime sync status` has the count and the collectors' instances; `rewind` in "
    "the journal.",
    cure="One collector an address, or a common store behind it. Everything is kept and sent "
    "again, ever more slowly; over 15 minutes after the last time.",
    line=_NOT_TOUCHED,
)
SYNC_HELD_BACK = define(
    "EDGE-S406",
    "entries wait because they are not taken now",
    FAULT,
    cause="They are larger than the collector takes at present, or something refuses them without "
    "proof that it is the collector (a firewall, a proxy), or no other entry is taken either.",
    confirm="`edge-runtime sync status` tells how many and why.",
    cure="Correct the collector's limits, or let the requests through. They are tried again by "
    "themselves, `edge-runtime sync now` tries at once; nothing is lost meanwhile.",
    line=_NOT_TOUCHED,
)
SYNC_MEDIA_UNPROVED = define(
    "EDGE-S407",
    "nobody proves to have taken media",
    FAULT,
    cause="What answers for media is not the collector that greeted us (a login page, a proxy, a "
    "catch-all server), or the collector takes results and fails at media.",
    confirm="`edge-runtime sync status` has the answer; `media_paused` in the journal.",
    cure="Let `/v1/media` through to the collector. Results go on; media wait on the disk, tried "
    "again by themselves. What has to go for room before that leaves a tombstone.",
    line=_NOT_TOUCHED,
)
SYNC_STRANGER = define(
    "EDGE-S409",
    "what answers is not the collector, or says what none may say",
    FAULT,
    cause="A login page, a proxy or another server answers at `sync.url`; or the collector is of a "
    "version that this one does not understand, or refuses everything.",
    confirm="`edge-runtime sync status` has the answer; `edge-runtime doctor` asks once more.",
    cure="Correct `sync.url`, or let the requests through to the collector; where it is the "
    "collector that answers, its log has the reason. Nothing is lost: "
    "everything is kept and tried again by itself.",
    line=_NOT_TOUCHED,
)
SYNC_MEDIA_REFUSED = define(
    "EDGE-S408",
    "the collector refused pictures or sounds",
    FAULT,
    cause="They are larger than it takes, of a kind that it does not know, or damaged on the disk.",
    confirm="`media_refused` in the journal has each file with the collector's reason.",
    cure="Mend what the reason says (the collector's limits, most often). They are kept on this "
    "box and tried again by themselves, ever more slowly; `edge-runtime sync now` tries at once. "
    "Or take note: `edge-runtime status --acknowledge`.",
    line=_NOT_TOUCHED,
)
