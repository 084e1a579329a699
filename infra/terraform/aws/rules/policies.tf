# Who may do what, as IAM policy documents. The gateway may do exactly what src/storage/ asks of S3: a test reads the
# calls there.

locals {
  bucket_arn  = "arn:${local.partition}:s3:::${var.bucket}"
  objects_arn = "${local.bucket_arn}/${var.prefix}*"
  partition   = startswith(var.region, "cn-") ? "aws-cn" : startswith(var.region, "us-gov-") ? "aws-us-gov" : "aws"

  gateway_statements = concat(
    [
      {
        # ListBucket: HeadBucket, by which /readyz knows that the bucket is there, and a 404 where there is no object;
        # without it S3 answers 403, which says nothing. It takes no condition on a prefix, since HeadBucket has none.
        # ListBucketMultipartUploads: multipart uploads whose creation was not answered, and orphans.
        Sid      = "FindUploads"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource = [local.bucket_arn]
      },
      {
        # The doctor, and the look that `serve` takes at its start, compare these with the settings; they change nothing.
        Sid    = "ReadBucketRules"
        Effect = "Allow"
        Action = [
          "s3:GetBucketCORS",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketVersioning",
          "s3:GetLifecycleConfiguration",
        ]
        Resource = [local.bucket_arn]
      },
      {
        # PutObject: begins and finishes multipart uploads, and stores small files and proxied parts.
        # ListMultipartUploadParts: what storage really has, which is what complete acts on.
        # AbortMultipartUpload: aborts, and the sweep.
        # GetObject: HEAD proves a finished object; reading back proves its SHA-256; downloads are signed.
        # DeleteObject: takes back an object that was proven wrong, and a small file that landed after an abort.
        Sid    = "KeepUploads"
        Effect = "Allow"
        Action = concat(
          [
            "s3:AbortMultipartUpload",
            "s3:DeleteObject",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
          ],
          # A finished object is read, downloaded and taken back as the version that it became.
          var.versioned ? ["s3:DeleteObjectVersion", "s3:GetObjectVersion"] : [],
          var.tags_objects ? ["s3:PutObjectTagging"] : [],
        )
        Resource = [local.objects_arn]
      },
    ],
    local.kms_statements,
  )

  # Who signs a URL does what the URL does: put one object or part, and nothing that reads.
  signer_statements = concat(
    [
      {
        Sid      = "PutUploads"
        Effect   = "Allow"
        Action   = concat(["s3:PutObject"], var.tags_objects ? ["s3:PutObjectTagging"] : [])
        Resource = [local.objects_arn]
      },
    ],
    local.kms_statements,
  )

  # S3 encrypts each part with a data key of its own (GenerateDataKey) and reads what it has when it puts parts together
  # (Decrypt), in the name of whoever sends the request:
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions
  # By way of S3 only, so that neither identity can open what it copies from elsewhere.
  kms_statements = var.kms_key_arn == null ? [] : [
    {
      Sid      = "UseBucketKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = [var.kms_key_arn]
      Condition = {
        StringEquals = { "kms:ViaService" = "s3.${var.region}.${local.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"}" }
      }
    },
  ]

  bucket_statements = [
    {
      # Nobody, whatever else they may do, reaches the bucket without TLS.
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:*"]
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    },
  ]
}
