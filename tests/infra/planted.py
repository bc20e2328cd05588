"""A stack with a bucket that anybody may read, for the checks to find: `planted.py FOLDER`."""

import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3

from infra.acknowledgements import AWS_SOLUTIONS, acknowledge, across
from infra.gates.nag import write_findings

REASON = "It is planted, so that a test can see that this is found when nobody acknowledges it."


def main() -> None:
    folder = Path(sys.argv[1])
    app = cdk.App(outdir=str(folder))
    stack = cdk.Stack(app, "Planted")
    for name in ("Open", "Accepted"):
        bucket = s3.CfnBucket(stack, name, access_control="PublicRead")
    acknowledge(bucket, REASON, *across("S1", AWS_SOLUTIONS), "CKV_AWS_20", "W3045")
    app.synth()
    write_findings(stack, folder)


if __name__ == "__main__":
    main()
