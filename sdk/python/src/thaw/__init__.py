"""Runs untrusted code in microVMs that are thawed from warm snapshots: a client of Thaw's HTTP API."""

from ._client import Thaw
from ._errors import ThawConnectionError, ThawError
from ._exec import ExecResult, FreshVmOptions, GuestMicros, RunOptions, Surroundings, TimingMicros
from ._files import Files
from ._functions import Function, FunctionEvent, FunctionLog, Functions, InvokeResult
from ._node import Images, Keys, Pools, Templates
from ._process import Exit, Output, Process, Terminal
from ._records import (
    Alias,
    BackgroundInfo,
    FileInfo,
    FunctionInfo,
    FunctionVersion,
    ImageInfo,
    KeyInfo,
    PoolInfo,
    Progress,
    SnapshotInfo,
    TemplateInfo,
    VmInfo,
    VmUsage,
)
from ._snapshots import Snapshot, Snapshots
from ._vm import BackgroundExec, Fork, Vm, Vms

__all__ = [
    "Alias",
    "BackgroundExec",
    "BackgroundInfo",
    "ExecResult",
    "Exit",
    "FileInfo",
    "Files",
    "Fork",
    "FreshVmOptions",
    "Function",
    "FunctionEvent",
    "FunctionInfo",
    "FunctionLog",
    "FunctionVersion",
    "Functions",
    "GuestMicros",
    "ImageInfo",
    "Images",
    "InvokeResult",
    "KeyInfo",
    "Keys",
    "Output",
    "PoolInfo",
    "Pools",
    "Process",
    "Progress",
    "RunOptions",
    "Snapshot",
    "SnapshotInfo",
    "Snapshots",
    "Surroundings",
    "TemplateInfo",
    "Templates",
    "Terminal",
    "Thaw",
    "ThawConnectionError",
    "ThawError",
    "TimingMicros",
    "Vm",
    "VmInfo",
    "VmUsage",
    "Vms",
]
