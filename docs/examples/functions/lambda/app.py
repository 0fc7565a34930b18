"""A function under AWS Lambda's own runtime client, unmodified; the same folder runs on AWS.

    pip install --target lambda -r lambda/requirements.txt
    thaw fn deploy hello --image python --kind lambda --code lambda -- python3 -m awslambdaric app.handle
"""

import json
import os
import random

from snapshot_restore_py import register_after_restore, register_before_snapshot

# Everything up here runs once, before the freeze. Each event begins right behind it.
GREETING = os.environ.get("GREETING", "Hello")
LOTS = {number: number ** 2 for number in range(10_000)}


@register_before_snapshot
def let_go():
    """Close what must not be frozen: connections, files with locks."""


@register_after_restore
def begin_anew():
    """Put right what a clone must not share with the others."""
    random.seed()


def handle(event, context):
    name = event.get("name", "world")
    print("greeting", json.dumps(name))  # goes to the log
    return {
        "greeting": f"{GREETING}, {name}!",
        "square": LOTS[42],
        "draw": random.random(),
        "request_id": context.aws_request_id,
    }
