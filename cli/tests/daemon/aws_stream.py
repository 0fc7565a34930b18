"""Unmodified boto3 reads an answer in pieces: python3 aws_stream.py URL FUNCTION KEY"""

import base64
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

url, name, key = sys.argv[1:]
client = boto3.client(
    "lambda",
    endpoint_url=url,
    region_name="eu-west-1",
    aws_access_key_id=key,
    aws_secret_access_key="anything",
    config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
)


def stream(what, **more):
    return client.invoke_with_response_stream(FunctionName=name, Payload=json.dumps(what), **more)


# The first piece is here while the function goes on without an end.
answer = stream("endless")
assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "1", answer
assert answer["ResponseStreamContentType"] == "application/vnd.amazon.eventstream", answer
first = next(iter(answer["EventStream"]))
assert first == {"PayloadChunk": {"Payload": b"first"}}, first
answer["EventStream"].close()

*chunks, complete = list(stream("some", LogType="Tail")["EventStream"])
assert [event["PayloadChunk"]["Payload"] for event in chunks] == [b"first", b"\x00\xff"], chunks
assert set(complete["InvokeComplete"]) == {"LogResult"}, complete
assert base64.b64decode(complete["InvokeComplete"]["LogResult"]) == b"streaming some\n", complete

# A megabyte arrives whole.
large = b"".join(e["PayloadChunk"]["Payload"] for e in stream("large")["EventStream"] if "PayloadChunk" in e)
assert large == b"first" + bytes(range(256)) * 4096 + b"\x00\xff"

# Errors, before the first piece and after it.
for what, pieces in (("raise", []), ("late", [b"first"])):
    *chunks, complete = list(stream(what)["EventStream"])
    assert [event["PayloadChunk"]["Payload"] for event in chunks] == pieces, chunks
    complete = complete["InvokeComplete"]
    assert complete["ErrorCode"] == "Unhandled", complete
    if not pieces:
        error = json.loads(complete["ErrorDetails"])
        assert error["errorType"] == "KeyError" and error["stackTrace"], error
*_, complete = list(stream("exit")["EventStream"])
assert json.loads(complete["InvokeComplete"]["ErrorDetails"])["errorType"] == "Runtime.ExitError", complete

assert stream("some", InvocationType="DryRun")["StatusCode"] == 204
for error, call in {
    "ResourceNotFoundException": {"FunctionName": "no-such-function"},
    "InvalidRequestContentException": {"FunctionName": name, "Payload": b"{no json"},
}.items():
    try:
        client.invoke_with_response_stream(**call)
    except ClientError as caught:
        assert caught.response["Error"]["Code"] == error, caught.response
    else:
        raise AssertionError(f"{error} was not raised")
print("piece by piece")
