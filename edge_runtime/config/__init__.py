"""The whole settings tree: one TOML file plus ``conf.d/*.toml``, validated whole.

Every problem is reported at once, with file, key, what was found and what is allowed.  The loader
calls the checks; the tables know neither.
"""

from edge_runtime.config.load import json_schema, load_config
from edge_runtime.config.outputs import ModbusOutput, Output, WebhookOutput
from edge_runtime.config.sync_checks import is_loopback
from edge_runtime.config.tables import (
    DEFAULT_CONFIG,
    DEFAULT_DATA_DIR,
    VADS,
    Capture,
    Config,
    Device,
    Gate,
    KeepMedia,
    Lane,
    Ledger,
    Part,
    Rules,
    Supervision,
    Sync,
    Targets,
    View,
    check_roi,
)
from edge_runtime.config.triggers import CommandTrigger, ModbusTrigger, Trigger

__all__ = [
    "DEFAULT_CONFIG",
    "DEFAULT_DATA_DIR",
    "VADS",
    "Capture",
    "CommandTrigger",
    "Config",
    "Device",
    "Gate",
    "KeepMedia",
    "Lane",
    "Ledger",
    "ModbusOutput",
    "ModbusTrigger",
    "Output",
    "Part",
    "Rules",
    "Supervision",
    "Sync",
    "Targets",
    "Trigger",
    "View",
    "WebhookOutput",
    "check_roi",
    "is_loopback",
    "json_schema",
    "load_config",
]
