"""Unmodified boto3 against a Thaw daemon: python3 aws.py URL FUNCTION KEY"""

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


def refused(error, **call):
    try:
        client.invoke(**call)
    except getattr(client.exceptions, error) as caught:
        return caught.response
    raise AssertionError(f"{error} was not raised for {call}")


answer = client.invoke(FunctionName=name, Payload=json.dumps({"n": 20}), LogType="Tail")
assert answer["StatusCode"] == 200, answer
assert json.load(answer["Payload"]) == {"doubled": 40}
assert "FunctionError" not in answer, answer
assert answer["ExecutedVersion"] == "1", answer
assert base64.b64decode(answer["LogResult"]) == b"doubling 20\n"
assert len(answer["ResponseMetadata"]["RequestId"]) == 36

# The handler is given what a real one is given.
answer = client.invoke(FunctionName=f"arn:aws:lambda:eu-west-1:123456789012:function:{name}", Payload=b'{"n": "x"}')
assert answer["FunctionError"] == "Unhandled", answer
error = json.load(answer["Payload"])
assert error["errorType"] == "TypeError" and error["stackTrace"], error

assert client.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
assert client.invoke(FunctionName=name, Qualifier="live", Payload=b'{"n": 1}')["ExecutedVersion"] == "1"
gone = refused("ResourceNotFoundException", FunctionName="no-such-function")
assert gone["ResponseMetadata"]["HTTPStatusCode"] == 404, gone
assert "no-such-function" in gone["Error"]["Message"], gone
refused("ResourceNotFoundException", FunctionName=name, Qualifier="99")
refused("InvalidRequestContentException", FunctionName=name, Payload=b"{no json")
refused("RequestTooLargeException", FunctionName=name, Payload=b" " * (6 * 1024 * 1024 + 1))
assert client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 2}')["StatusCode"] == 202
refused("ResourceNotFoundException", FunctionName="no-such-function", InvocationType="Event")
print("all as AWS has it")
