"""What a script does that needs presigned URLs: boto3's generate_presigned_url in a loop, one client.

    boto3_loop.py KEY UPLOAD_ID COUNT     in the environment: S3_ENDPOINT, S3_BUCKET and AWS's own

Prints as JSON the wall and CPU seconds of the loop, without the start of Python and the making of the client, and the
last URL.
"""

import json
import os
import sys
import time

import boto3
from botocore.config import Config

key, upload_id, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = Config(
    signature_version="s3v4", s3={"addressing_style": "path"}, request_checksum_calculation="when_required",
)
client = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT"], config=config)
wall, cpu = time.perf_counter(), time.process_time()
for number in range(1, count + 1):
    params = {"Bucket": os.environ["S3_BUCKET"], "Key": key, "UploadId": upload_id, "PartNumber": number}
    url = client.generate_presigned_url("upload_part", Params=params, ExpiresIn=900)
print(json.dumps({"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "url": url}))
