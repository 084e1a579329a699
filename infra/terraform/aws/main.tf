# Values are worked out in rules/, without a provider; here they are only put into resources.
module "rules" {
  source = "./rules"

  bucket          = var.bucket
  region          = data.aws_region.current.region
  origins         = var.origins
  public_url      = var.public_url
  prefix          = var.prefix
  upload_lifetime = var.upload_lifetime
  url_lifetime    = var.url_lifetime
  versioned       = var.versioning
  kms_key_arn     = var.kms_key_arn
  tags_objects    = var.tags_objects
  proxies         = var.proxies
}

data "aws_region" "current" {}

resource "aws_s3_bucket" "uploads" {
  #checkov:skip=CKV_AWS_18:the access log needs a bucket of yours: log_bucket
  #checkov:skip=CKV_AWS_21:versions cost without end unless a rule ends them, so they are a choice: versioning
  #checkov:skip=CKV_AWS_144:a copy in another region is a decision about money that a module cannot take
  #checkov:skip=CKV_AWS_145:a key of one's own is a choice: kms_key_arn
  #checkov:skip=CKV2_AWS_62:partgate knows what is finished, and needs no events of the bucket
  bucket        = var.bucket
  force_destroy = var.force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_versioning" "uploads" {
  # A bucket that has once kept versions can only suspend that, and one that never has may not be asked to.
  count  = var.versioning ? 1 : 0
  bucket = aws_s3_bucket.uploads.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "uploads" {
  bucket = aws_s3_bucket.uploads.id

  rule {
    # Without it each part of each upload is a request to KMS, which is billed.
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "uploads" {
  bucket = aws_s3_bucket.uploads.id

  block_public_acls       = module.rules.public_access_block.block_public_acls
  ignore_public_acls      = module.rules.public_access_block.ignore_public_acls
  block_public_policy     = module.rules.public_access_block.block_public_policy
  restrict_public_buckets = module.rules.public_access_block.restrict_public_buckets
}

# Objects belong to the bucket's account, and ACLs are off.
resource "aws_s3_bucket_ownership_controls" "uploads" {
  bucket = aws_s3_bucket.uploads.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_cors_configuration" "uploads" {
  # S3 takes no rule without an origin, and without pages nobody needs one.
  count  = length(module.rules.cors_rule.allowed_origins) > 0 ? 1 : 0
  bucket = aws_s3_bucket.uploads.id

  cors_rule {
    id              = module.rules.cors_rule.id
    allowed_origins = module.rules.cors_rule.allowed_origins
    allowed_methods = module.rules.cors_rule.allowed_methods
    allowed_headers = module.rules.cors_rule.allowed_headers
    expose_headers  = module.rules.cors_rule.expose_headers
    max_age_seconds = module.rules.cors_rule.max_age_seconds
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "uploads" {
  #checkov:skip=CKV_AWS_300:the first rule is the one that it asks for; checkov does not see through the prefix
  bucket = aws_s3_bucket.uploads.id

  rule {
    id     = module.rules.lifecycle_rule.id
    status = module.rules.lifecycle_rule.status

    filter {
      prefix = module.rules.lifecycle_rule.prefix
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = module.rules.lifecycle_rule.abort_incomplete_multipart_upload.days_after_initiation
    }
  }

  dynamic "rule" {
    for_each = var.foreign_lifecycle_rules

    content {
      id     = rule.value.id
      status = rule.value.enabled ? "Enabled" : "Disabled"

      filter {
        prefix = rule.value.prefix
      }

      dynamic "expiration" {
        for_each = rule.value.expiration_days == null ? [] : [rule.value.expiration_days]

        content {
          days = expiration.value
        }
      }

      dynamic "noncurrent_version_expiration" {
        for_each = rule.value.noncurrent_expiration_days == null ? [] : [rule.value.noncurrent_expiration_days]

        content {
          noncurrent_days = noncurrent_version_expiration.value
        }
      }

      dynamic "transition" {
        for_each = rule.value.transitions

        content {
          days          = transition.value.days
          storage_class = transition.value.storage_class
        }
      }
    }
  }

  # Rules about versions want to find versioning.
  depends_on = [aws_s3_bucket_versioning.uploads]
}

resource "aws_s3_bucket_policy" "uploads" {
  bucket = aws_s3_bucket.uploads.id
  policy = module.rules.bucket_policy

  # S3 looks whether a policy is public by the block that is there.
  depends_on = [aws_s3_bucket_public_access_block.uploads]
}

resource "aws_s3_bucket_logging" "uploads" {
  count  = var.log_bucket == null ? 0 : 1
  bucket = aws_s3_bucket.uploads.id

  target_bucket = var.log_bucket
  target_prefix = "${var.bucket}/"
}
