"""A function in python: `thaw fn deploy hello --image python --handler app.handle --code python`"""

import json
import os
import random

# Everything up here runs once, before the freeze. Each event begins right behind it.
GREETING = os.environ.get("GREETING", "Hello")
LOTS = {number: number ** 2 for number in range(10_000)}


def before_snapshot():
    """Close what must not be frozen: connections, files with locks."""


def after_restore():
    """Put right what a clone must not share with the others. Thaw itself has seeded `random` and `ssl` anew."""


def handle(event, context):
    name = (event or {}).get("name", "world")
    print("greeting", json.dumps(name))  # goes to the log
    return {
        "greeting": f"{GREETING}, {name}!",
        "square": LOTS[42],
        "draw": random.random(),
        "request_id": context.aws_request_id,
    }
