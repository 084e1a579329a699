# What the bucket should have. `partgate bucket plan` says the same; a test holds the two together.

locals {
  lifetime_number  = tonumber(regex("^[0-9]+", var.upload_lifetime))
  lifetime_minutes = local.lifetime_number * { m = 1, h = 60, d = 24 * 60 }[regex("[a-z]$", var.upload_lifetime)]

  # What a browser says that the gateway's own page comes from: scheme and host, without the port where it is usual.
  public_origin = var.public_url == null ? [] : [
    replace(replace(lower(regex("^https?://[^/]+", var.public_url)), "/^(https:.*):443$/", "$1"), "/^(http:.*):80$/", "$1")
  ]
  origins = distinct(concat(var.origins, local.public_origin))

  checksum_headers = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
  ]

  cors_rule = {
    id              = "partgate-uploads"
    allowed_origins = contains(local.origins, "*") ? ["*"] : local.origins
    allowed_methods = ["GET", "HEAD", "PUT"]

    # What a signed request may make a page send.
    allowed_headers = sort(concat(local.checksum_headers, [
      "content-md5",
      "content-type",
      "if-none-match",
      "x-amz-meta-*",
      "x-amz-meta-partgate-upload-id",
      "x-amz-server-side-encryption",
      "x-amz-server-side-encryption-aws-kms-key-id",
      "x-amz-storage-class",
      "x-amz-tagging",
    ]))

    # Scripts can read only what is listed here, and S3 takes no wildcard in this list.
    expose_headers  = sort(concat(local.checksum_headers, ["ETag", "x-amz-request-id", "x-amz-version-id"]))
    max_age_seconds = 3600
  }

  # The gateway's sweep aborts uploads when they expire. This rule catches what a gateway that is gone for good has
  # left behind: parts are invisible in listings and billed like objects. A rule counts whole days since the multipart
  # upload was begun, so a day is added to the whole days of the upload's life.
  lifecycle_rule = {
    id     = "partgate-abort-incomplete"
    status = "Enabled"
    prefix = var.prefix

    abort_incomplete_multipart_upload = {
      days_after_initiation = ceil(local.lifetime_minutes / (24 * 60)) + 1
    }
  }

  public_access_block = {
    block_public_acls       = true
    ignore_public_acls      = true
    block_public_policy     = true
    restrict_public_buckets = true
  }
}
