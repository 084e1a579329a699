# What a bucket on AWS needs for partgate: a safety net for multipart uploads, and CORS for browsers.
# Both resources own the bucket's whole configuration of their kind, so merge rules that it has.

variable "bucket" {
  description = "Name of the bucket that partgate uploads to."
  type        = string
}

variable "origins" {
  description = "Origins of the pages that upload, such as https://app.example.com."
  type        = list(string)
}

variable "abort_after_days" {
  description = "Whole days until storage aborts an unfinished upload; must exceed uploads.lifetime (7d)."
  type        = number
  default     = 8

  validation {
    condition     = var.abort_after_days >= 1 && floor(var.abort_after_days) == var.abort_after_days
    error_message = "abort_after_days is a whole number of days, at least 1."
  }
}

# The gateway's sweep aborts uploads when they expire. This rule catches what a gateway that is gone
# for good has left behind: parts are invisible in listings and billed like objects.
resource "aws_s3_bucket_lifecycle_configuration" "uploads" {
  bucket = var.bucket

  rule {
    id     = "abort-incomplete-multipart-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.abort_after_days
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "uploads" {
  bucket = var.bucket

  cors_rule {
    allowed_origins = var.origins
    allowed_methods = ["GET", "HEAD", "PUT"]
    allowed_headers = ["content-md5", "content-type", "if-none-match", "x-amz-*"]

    # Scripts can read only what is listed here, and S3 takes no wildcard in this list.
    expose_headers = [
      "ETag",
      "x-amz-checksum-crc32",
      "x-amz-checksum-crc32c",
      "x-amz-checksum-crc64nvme",
      "x-amz-checksum-sha1",
      "x-amz-checksum-sha256",
      "x-amz-request-id",
      "x-amz-version-id",
    ]
    max_age_seconds = 3600
  }
}
