"""Unmodified boto3 against a daemon with authentication: python3 aws_keys.py URL FUNCTION INVOKING_KEY READING_KEY"""

import json
import sys

import boto3
from botocore.config import Config

url, name, invoking, reading = sys.argv[1:]


def client(key):
    return boto3.client(
        "lambda",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="anything",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=120),
    )


def refused(key, error):
    for call in ("invoke", "invoke_with_response_stream"):
        lambdas = client(key)
        try:
            getattr(lambdas, call)(FunctionName=name, Payload=b'{"n": 1}')
        except lambdas.exceptions.ClientError as caught:
            assert caught.response["Error"]["Code"] == error, caught.response
            assert caught.response["ResponseMetadata"]["HTTPStatusCode"] == 403, caught.response
        else:
            raise AssertionError(f"{call} was not refused")


allowed = client(invoking)
answer = allowed.invoke(FunctionName=name, Payload=json.dumps({"n": 20}))
assert json.load(answer["Payload"]) == {"doubled": 40}, answer
events = list(allowed.invoke_with_response_stream(FunctionName=name, Payload=b'{"n": 3}')["EventStream"])
assert json.loads(events[0]["PayloadChunk"]["Payload"]) == {"doubled": 6}, events
assert events[1:] == [{"InvokeComplete": {}}], events
refused(reading, "AccessDeniedException")
refused("thaw_nobody_has_this_one", "UnrecognizedClientException")
refused("AKIAIOSFODNN7EXAMPLE", "UnrecognizedClientException")
print("who may does, nobody else")
